import json
import re
import unittest

from demo_language import choices, facts, lexicon, lists, records, sums
from demo_language.source import Source


def drawn(topic, count=400):
    source = Source(f"{topic.__name__} test")
    return [topic.question(source) for _ in range(count)]


class SumsTest(unittest.TestCase):
    def test_results_are_right(self):
        checked = 0
        for question in drawn(sums):
            match = re.fullmatch(r"(\d+) ([-+*]) (\d+) = (\d+)", question.answer)
            if match:
                a, b, result = int(match[1]), int(match[3]), int(match[4])
                self.assertEqual(result, {"+": a + b, "-": a - b, "*": a * b}[match[2]])
                checked += 1
        self.assertGreater(checked, 200)

    def test_stories_and_comparisons_are_right(self):
        for question in drawn(sums):
            story = re.match(r"\w+ has (\d+) \w+ and (finds|loses) (\d+)\.", question.text)
            if story:
                sign = 1 if story[2] == "finds" else -1
                self.assertEqual(int(question.value), int(story[1]) + sign * int(story[3]))
            pair = re.fullmatch(r"Which number is larger, (\d+) or (\d+)\?", question.text)
            if pair:
                self.assertEqual(int(question.value), max(int(pair[1]), int(pair[2])))


class ListsTest(unittest.TestCase):
    def test_lists_are_arranged_as_asked(self):
        seen = set()
        for question in drawn(lists):
            match = re.fullmatch(r"(Copy|Reverse|Sort): (.*)\.", question.text)
            if not match:
                continue
            items = match[2].split(", ")
            key = int if items[0].isdigit() else str
            expected = {"Copy": items, "Reverse": items[::-1], "Sort": sorted(items, key=key)}[
                match[1]
            ]
            self.assertEqual(question.answer.split(", "), expected)
            seen.add(match[1])
        self.assertEqual(seen, {"Copy", "Reverse", "Sort"})

    def test_words_are_spelled_letter_by_letter(self):
        spelled = [q for q in drawn(lists) if q.text.startswith("Spell")]
        self.assertTrue(spelled)
        for question in spelled:
            self.assertEqual(
                question.answer.replace("-", ""), question.text.split()[-1].rstrip(".")
            )


class RecordsTest(unittest.TestCase):
    def test_json_answers_parse_and_keep_the_fields(self):
        parsed = 0
        for question in drawn(records):
            if question.text.startswith("Write as JSON"):
                record = json.loads(question.answer)
                self.assertEqual(list(record), ["name", "age", "place", "things"])
                self.assertIn(f"{record['name']} is {record['age']} years old", question.text)
                parsed += 1
        self.assertGreater(parsed, 100)


class FactsTest(unittest.TestCase):
    def test_every_person_has_every_fact(self):
        for name in lexicon.PEOPLE:
            self.assertEqual(len(facts.about(name)), 4)
            self.assertIn(lexicon.TOWN[name], facts.portrait(name))


class ChoicesTest(unittest.TestCase):
    def test_items_have_four_different_endings_and_no_context_twice(self):
        items = choices.items("test", 300)
        self.assertEqual(len({i["ctx"] for i in items}), 300)
        for item in items:
            self.assertEqual(len(set(item["endings"])), 4)
            self.assertIn(item["label"], range(4))

    def test_labels_are_spread_over_all_places(self):
        labels = [i["label"] for i in choices.items("test", 400)]
        for label in range(4):
            self.assertGreater(labels.count(label), 60)


if __name__ == "__main__":
    unittest.main()
