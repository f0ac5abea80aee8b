"""Questions about what never changes: the trade, town, animal and liked color of each person."""

from demo_language import lexicon
from demo_language.question import Question, Scene


def about(name):
    trade, town = lexicon.TRADE[name], lexicon.TOWN[name]
    animal, color = lexicon.ANIMAL[name], lexicon.COLOR[name]
    return (
        Question(f"What is the trade of {name}?", f"{name} is a {{}}.", trade, lexicon.TRADES),
        Question(f"Where does {name} live?", f"{name} lives in {{}}.", town, lexicon.TOWNS),
        Question(f"Which animal does {name} have?", f"{name} has a {{}}.", animal, lexicon.ANIMALS),
        Question(f"Which color does {name} like?", f"{name} likes {{}}.", color, lexicon.COLORS),
    )


def portrait(name):
    return (
        f"{name} is a {lexicon.TRADE[name]} and lives in {lexicon.TOWN[name]}. "
        f"{name} has a {lexicon.ANIMAL[name]} and likes {lexicon.COLOR[name]}."
    )


def question(source):
    name = source.choice(lexicon.PEOPLE)
    if source.chance(6):
        return Question(
            f"Who is {name}?", "{}", portrait(name), tuple(portrait(n) for n in lexicon.PEOPLE[:4])
        )
    return source.choice(about(name))


def scene(source, count):
    return Scene("fact", "", tuple(question(source) for _ in range(count)))
