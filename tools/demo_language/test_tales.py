"""Reads each tale a second time, by its words alone, and compares the answers."""

import re
import unittest

from demo_language import lexicon, tales
from demo_language.source import Source


class Reader:
    """Follows a tale by its words alone."""

    def __init__(self, tale):
        self.place, self.before, self.holder, self.lies, self.color, self.count = (
            {},
            {},
            {},
            {},
            {},
            {},
        )
        for sentence in re.findall(r"[^.]+\.", tale):
            self.read(sentence.strip())

    def read(self, sentence):
        for pattern, act in self.RULES:
            match = re.fullmatch(pattern, sentence)
            if match:
                act(self, *match.groups())
                return
        raise AssertionError(f"not understood: {sentence}")

    def there(self, thing, color, place):
        self.color[thing], self.lies[thing] = color, place

    def person(self, name, place):
        self.place[name] = place

    def owns(self, name, color, thing):
        self.color[thing], self.holder[thing] = color, name

    def go(self, name, place):
        self.before[name], self.place[name] = self.place[name], place

    def take(self, name, thing):
        assert self.lies.pop(thing) == self.place[name], "taken from elsewhere"
        self.holder[thing] = name

    def give(self, giver, thing, taker):
        assert (
            self.holder[thing] == giver and self.place[giver] == self.place[taker]
        ), "given from afar"
        self.holder[thing] = taker

    def put(self, name, thing):
        assert self.holder.pop(thing) == name, "put down by another"
        self.lies[thing] = self.place[name]

    def paint(self, name, thing, color):
        assert self.holder[thing] == name
        self.color[thing] = color

    def counted(self, name, count, goods):
        self.count[name, goods] = int(count)

    def find(self, name, count, goods):
        self.count[name, goods] += int(count)

    def lose(self, name, count, goods):
        self.count[name, goods] -= int(count)
        assert self.count[name, goods] >= 0

    RULES = (
        (r"A (\w+) (\w+) is in the (\w+)\.", lambda s, c, t, p: s.there(t, c, p)),
        (r"(\w+) is in the (\w+)\.", person),
        (r"(\w+) has a (\w+) (\w+)\.", owns),
        (r"(\w+) has (\d+) (\w+)\.", counted),
        (r"(\w+) goes to the (\w+)\.", go),
        (r"(\w+) takes the (\w+)\.", take),
        (r"(\w+) gives the (\w+) to (\w+)\.", give),
        (r"(\w+) puts the (\w+) down\.", put),
        (r"(\w+) paints the (\w+) (\w+)\.", paint),
        (r"(\w+) finds (\d+) (\w+)\.", find),
        (r"(\w+) loses (\d+) (\w+)\.", lose),
    )

    def expected(self, text):
        """The answer to a question, from this reading."""
        for pattern, reply in self.REPLIES:
            match = re.fullmatch(pattern, text)
            if match:
                return reply(self, *match.groups())
        raise AssertionError(f"not understood: {text}")

    def where_thing(self, thing):
        holder = self.holder.get(thing)
        if holder:
            return f"The {thing} is with {holder} in the {self.place[holder]}."
        return f"The {thing} is in the {self.lies[thing]}."

    def who_is_in(self, place):
        here = [n for n, p in self.place.items() if p == place]
        verb = "are" if len(here) > 1 else "is"
        return f"{lexicon.listing(here or ['Nobody'])} {verb} in the {place}."

    def carried(self, name):
        things = [f"the {t}" for t in self.color if self.holder.get(t) == name]
        return f"{name} carries {lexicon.listing(things or ['nothing'])}."

    REPLIES = (
        (r"Where is the (\w+)\?", where_thing),
        (r"Where is (\w+)\?", lambda s, n: f"{n} is in the {s.place[n]}."),
        (r"Where was (\w+) before\?", lambda s, n: f"{n} was in the {s.before[n]}."),
        (r"Who is in the (\w+)\?", who_is_in),
        (r"Who has the (\w+)\?", lambda s, t: f"{s.holder.get(t, 'Nobody')} has the {t}."),
        (r"What color is the (\w+)\?", lambda s, t: f"The {t} is {s.color[t]}."),
        (r"What does (\w+) carry\?", carried),
        (r"How many (\w+) does (\w+) have\?", lambda s, g, n: f"{n} has {s.count[n, g]} {g}."),
    )


class TalesTest(unittest.TestCase):
    def test_answers_agree_with_a_second_reading(self):
        source, asked = Source("tales test"), 0
        for _ in range(500):
            text, world = tales.tell(source)
            reader = Reader(text)
            for question in tales.questions_about(world):
                self.assertEqual(question.answer, reader.expected(question.text), text)
                asked += 1
        self.assertGreater(asked, 4000)

    def test_wrong_answers_are_wrong_and_differ(self):
        source = Source("wrong answers")
        for _ in range(200):
            _, world = tales.tell(source)
            for question in tales.questions_about(world):
                wrong = question.wrong_answers(3)
                self.assertEqual(len({question.answer, *wrong}), 4, question)

    def test_a_tale_about_a_hero_begins_with_that_hero(self):
        text, _ = tales.tell(Source("hero"), "Vera")
        self.assertTrue(text.startswith("Vera is in the "))


if __name__ == "__main__":
    unittest.main()
