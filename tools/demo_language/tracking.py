"""What every mention of a person, thing or place in a tale implies: targets of an auxiliary loss.

A question asks about one fact of a tale, so answers alone teach little about following its state. The
state is known at every mention, though, and predicting it there teaches the same skill many times a
sentence. The predictors are thrown away after training.
"""

import re

from demo_language import lexicon

NUMBERS = 100
_WORDS = ("none", *lexicon.PEOPLE, *lexicon.PLACES, *lexicon.THINGS, *lexicon.COLORS)
CLASSES = len(_WORDS) + NUMBERS
SLOTS = 5
UNKNOWN = -100  # the index that cross_entropy ignores
NOTHING = [UNKNOWN] * SLOTS
_INDEX = {word: index for index, word in enumerate(_WORDS)}


def word(target):
    """What a target stands for: a word, a number, None for UNKNOWN."""
    if target == UNKNOWN:
        return None
    return _WORDS[target] if target < len(_WORDS) else target - len(_WORDS)


def _any(words):
    return "(" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_PERSON, _PLACE, _THING = _any(lexicon.PEOPLE), _any(lexicon.PLACES), _any(lexicon.THINGS)
_COLOR, _GOODS = _any(lexicon.COLORS), _any(lexicon.GOODS)
_MENTION = re.compile(rf"\b(?:{_PERSON}|{_PLACE}|{_THING})\b")
# A tale begins a text, a paragraph or a turn; an answer alone is a sentence of the same form.
_BEGIN = re.compile(
    rf"(?:<\|bos\|>|<\|user\|>|\n\n|<\|assistant\|>(?=[^<\n]*\. [^<\n]*\. ))(?={_PERSON} is in the {_PLACE}\.)"
)
_EVENTS = (
    (rf"{_PERSON} is in the {_PLACE}\.", "place_person"),
    (rf"{_PERSON} has an? {_COLOR} {_THING}\.", "own"),
    (rf"An? {_COLOR} {_THING} is in the {_PLACE}\.", "lay"),
    (rf"{_PERSON} has (\d+) {_GOODS}\.", "count"),
    (rf"{_PERSON} goes to the {_PLACE}\.", "go"),
    (rf"{_PERSON} takes the {_THING}\.", "take"),
    (rf"{_PERSON} gives the {_THING} to {_PERSON}\.", "give"),
    (rf"{_PERSON} puts the {_THING} down\.", "put"),
    (rf"{_PERSON} paints the {_THING} {_COLOR}\.", "paint"),
    (rf"{_PERSON} finds (\d+) {_GOODS}\.", "find"),
    (rf"{_PERSON} loses (\d+) {_GOODS}\.", "lose"),
)
_EVENTS = tuple((re.compile(rf"\b{pattern}"), name) for pattern, name in _EVENTS)


class _State:
    """The world of a tale as its text tells it; sentences about what it does not know are skipped."""

    def __init__(self):
        self.place, self.before, self.goods = {}, {}, {}
        self.lies, self.holder, self.color = {}, {}, {}

    def place_person(self, person, place):
        self.place[person] = place

    def own(self, person, color, thing):
        self.color[thing], self.holder[thing] = color, person

    def lay(self, color, thing, place):
        self.color[thing], self.lies[thing] = color, place
        self.holder.pop(thing, None)

    def count(self, person, number, _):
        self.goods[person] = int(number)

    def go(self, person, place):
        self.before[person] = self.place.get(person, "none")
        self.place[person] = place

    def take(self, person, thing):
        self.holder[thing] = person

    def give(self, _, thing, person):
        self.holder[thing] = person

    def put(self, person, thing):
        if person in self.place:
            self.lies[thing] = self.place[person]
        self.holder.pop(thing, None)

    def paint(self, _, thing, color):
        self.color[thing] = color

    def find(self, person, number, _):
        if person in self.goods:
            self.goods[person] += int(number)

    def lose(self, person, number, _):
        if person in self.goods:
            self.goods[person] -= int(number)

    def targets(self, word):
        """Up to SLOTS classes of what holds for `word`, UNKNOWN where nothing is asked."""
        if word in self.place:
            carried = [t for t in self.color if self.holder.get(t) == word]
            facts = [self.place[word], self.before.get(word, "none"), *(carried + ["none"] * 2)[:2]]
            return [_INDEX[f] for f in facts] + [self._number(word)]
        if word in self.color:
            holder = self.holder.get(word)
            where = self.place.get(holder) if holder else self.lies.get(word)
            facts = [where or "none", self.color[word], holder or "none"]
            return [_INDEX[f] for f in facts] + [UNKNOWN] * 2
        if word in lexicon.PLACES and self.place:
            here = [p for p, place in self.place.items() if place == word]
            return [_INDEX[p] for p in (here + ["none"] * 2)[:2]] + [UNKNOWN] * 3
        return None

    def _number(self, person):
        number = self.goods.get(person, -1)
        return len(_INDEX) + number if 0 <= number < NUMBERS else UNKNOWN


def mentions(text):
    """(offset of the last character of a mention, its targets) in order."""
    happenings = [(m.end(), "begin", ()) for m in _BEGIN.finditer(text)]
    for pattern, name in _EVENTS:
        happenings += [(m.end(), name, m.groups()) for m in pattern.finditer(text)]
    happenings += [(m.end() - 1, "mention", m.group()) for m in _MENTION.finditer(text)]
    state, found = _State(), []
    for at, name, words in sorted(happenings, key=lambda h: h[0]):
        if name == "begin":
            state = _State()
        elif name == "mention":
            targets = state.targets(words)
            if targets:
                found.append((at, targets))
        else:
            getattr(state, name)(*words)
    return found
