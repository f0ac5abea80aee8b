"""Sums, differences, products and comparisons of numbers up to two digits."""

from demo_language import lexicon
from demo_language.question import Question, Scene


def _near(value):
    """Wrong results that look right: one off, a carry lost, digits exchanged."""
    swapped = int(str(value)[::-1])
    near = (value + 1, value + 10, value - 10, swapped, value - 1, value + 2, value + 11)
    return tuple(str(n) for n in near if n >= 0 and n != value)


def _number(source):
    """Small numbers more often; the two ranges are apart, so that a number has one path."""
    return source.between(1, 20) if source.chance(2) else source.between(21, 99)


def _operands(source, sign):
    if sign == "*":
        return source.between(2, 9), source.between(2, 9)
    a = _number(source)
    return a, source.between(0, a) if sign == "-" else _number(source)


def _result(a, sign, b):
    return {"+": a + b, "-": a - b, "*": a * b}[sign]


def _calculation(source):
    sign = source.weighted({"+": 3, "-": 2, "*": 2})
    a, b = _operands(source, sign)
    word = {"+": "plus", "-": "minus", "*": "times"}[sign]
    text = source.weighted(
        {f"What is {a} {sign} {b}?": 3, f"How much is {a} {word} {b}?": 1, f"{a} {sign} {b} = ?": 1}
    )
    result = _result(a, sign, b)
    return Question(text, f"{a} {sign} {b} = {{}}", str(result), _near(result))


def _story(source):
    name, goods = source.choice(lexicon.PEOPLE), source.choice(lexicon.GOODS)
    sign = source.weighted({"+": 1, "-": 1})
    a = source.between(2, 50)
    b = source.between(1, a) if sign == "-" else source.between(2, 40)
    verb = "finds" if sign == "+" else "loses"
    result = _result(a, sign, b)
    return Question(
        f"{name} has {a} {goods} and {verb} {b}. How many {goods} does {name} have?",
        f"{name} has {{}} {goods}.",
        str(result),
        _near(result),
    )


def _comparison(source):
    a, b = source.sample(range(1, 100), 2)
    return Question(
        f"Which number is larger, {a} or {b}?",
        "{} is larger.",
        str(max(a, b)),
        (str(min(a, b)), *_near(max(a, b))),
    )


def question(source):
    return source.weighted({_calculation: 6, _story: 2, _comparison: 1})(source)


def scene(source, count):
    return Scene("sum", "", tuple(question(source) for _ in range(count)))
