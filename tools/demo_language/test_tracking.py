"""What a text implies at a mention is what the world of its tale says."""

import unittest

from demo_language import tales, tracking
from demo_language.source import Source


def classes_of(text):
    """(mention, words of its targets) in order; numbers as numbers, None where nothing is asked."""
    found = []
    for at, targets in tracking.mentions(text):
        start = max(text.rfind(" ", 0, at), text.rfind(">", 0, at), text.rfind("\n", 0, at)) + 1
        found.append((text[start : at + 1], [tracking.word(t) for t in targets]))
    return found


class TrackingTest(unittest.TestCase):
    def test_follows_people_things_and_goods(self):
        text = (
            "<|bos|>Mira is in the mill. Tom is in the barn. Mira has a red lamp. Mira has 7 eggs."
            " Mira goes to the barn. Mira gives the lamp to Tom. Mira finds 3 eggs.\nWhere is Mira?"
        )
        found = classes_of(text)
        self.assertEqual(found[-1], ("Mira", ["barn", "mill", "none", "none", 10]))
        self.assertIn(("lamp", ["barn", "red", "Mira", None, None]), found)

    def test_forgets_with_the_next_tale(self):
        text = "<|bos|>Mira is in the mill.\n\nTom is in the barn. Mira is in the inn. Where is Tom?"
        self.assertEqual(classes_of(text)[-1], ("Tom", ["barn", "none", "none", "none", None]))

    def test_agrees_with_the_world_of_every_tale(self):
        source = Source("tracking/1")
        for _ in range(300):
            text, world = tales.tell(source)
            for person in world.people.values():
                (_, said) = classes_of(f"<|bos|>{text} Where is {person.name}?")[-1]
                carried = [t.name for t in world.carried(person.name)] + ["none"] * 2
                goods = person.count if person.goods else None
                wanted = [person.place, person.before or "none", *carried[:2], goods]
                self.assertEqual(said, wanted, text)
            for thing in world.things.values():
                (_, said) = classes_of(f"<|bos|>{text} Where is the {thing.name}?")[-1]
                wanted = [world.where(thing), thing.color, thing.holder or "none", None, None]
                self.assertEqual(said, wanted, text)


if __name__ == "__main__":
    unittest.main()
