"""Lists of words and numbers: copy, sort, reverse, count, first, last, spell."""

from demo_language import lexicon
from demo_language.question import Question, Scene

_WORDS = lexicon.THINGS + lexicon.PLACES


def _items(source):
    count = source.between(3, 5)
    if source.chance(2):
        return [str(n) for n in source.sample(range(1, 100), count)], int
    return source.sample(_WORDS, count), str


def _orders(items):
    """Other orders of the items: two neighbours exchanged, ends exchanged, reversed."""
    for i in range(len(items) - 1):
        yield ", ".join(items[:i] + [items[i + 1], items[i]] + items[i + 2 :])
    yield ", ".join([items[-1]] + items[1:-1] + [items[0]])
    yield ", ".join(reversed(items))


def _arranged(verb, arrange):
    def ask(source):
        items, key = _items(source)
        result = arrange(items, key)
        return Question(
            f"{verb}: {', '.join(items)}.", "{}", ", ".join(result), tuple(_orders(result))
        )

    return ask


def _counted(source):
    items, _ = _items(source)
    return Question(
        f"How many items are in this list: {', '.join(items)}?",
        "There are {} items.",
        str(len(items)),
        ("2", "3", "4", "5", "6"),
    )


def _picked(source):
    items, _ = _items(source)
    word, at = source.choice((("first", 0), ("last", -1), ("second", 1)))
    return Question(
        f"What is the {word} item of this list: {', '.join(items)}?",
        f"The {word} item is {{}}.",
        items[at],
        tuple(items),
    )


def _spelled(source):
    word = source.choice(_WORDS + lexicon.ANIMALS + lexicon.COLORS)
    letters = list(word)
    return Question(
        f"Spell the word {word}.",
        "{}",
        "-".join(letters),
        tuple(o.replace(", ", "-") for o in _orders(letters)),
    )


_copied = _arranged("Copy", lambda items, key: items)
_KINDS = {
    _copied: 3,
    _arranged("Reverse", lambda items, key: items[::-1]): 3,
    _arranged("Sort", lambda items, key: sorted(items, key=key)): 4,
    _counted: 1,
    _picked: 2,
    _spelled: 2,
}


def question(source):
    return source.weighted(_KINDS)(source)


def scene(source, count):
    return Scene("list", "", tuple(question(source) for _ in range(count)))


def copy_scene(source, count):
    return Scene("list", "", tuple(_copied(source) for _ in range(count)))
