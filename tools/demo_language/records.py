"""Sentences about a person and the same as a JSON record."""

import json

from demo_language import lexicon
from demo_language.question import Question, Scene


def _draw(source):
    record = {
        "name": source.choice(lexicon.PEOPLE),
        "age": source.between(5, 80),
        "place": source.choice(lexicon.PLACES),
    }
    record["things"] = source.sample(lexicon.THINGS, source.between(0, 3))
    return record


def _sentences(record):
    things = (
        lexicon.listing([f"{lexicon.article(t)} {t}" for t in record["things"]])
        if record["things"]
        else "nothing"
    )
    person = f"{record['name']} is {record['age']} years old"
    return f"{person}, is in the {record['place']} and has {things}."


def _variants(record):
    """The record with one field wrong."""
    yield dict(record, age=record["age"] + 10)
    yield dict(record, place=lexicon.PLACES[len(record["name"]) + len(record["things"])])
    yield dict(record, name=lexicon.PEOPLE[record["age"] % len(lexicon.PEOPLE)])
    yield dict(record, things=record["things"][1:] or ["anvil"])
    yield dict(record, age=record["age"] + 1)


def _to_json(source):
    record = _draw(source)
    return Question(
        f"Write as JSON: {_sentences(record)}",
        "{}",
        json.dumps(record),
        tuple(json.dumps(v) for v in _variants(record)),
    )


def _from_json(source):
    record = _draw(source)
    return Question(
        f"Write as a sentence: {json.dumps(record)}",
        "{}",
        _sentences(record),
        tuple(_sentences(v) for v in _variants(record)),
    )


def _field(source):
    record = _draw(source)
    field = source.choice(("age", "place", "name"))
    others = {
        "age": tuple(str(record["age"] + d) for d in (1, 10, 2, 20)),
        "place": lexicon.PLACES,
        "name": lexicon.PEOPLE,
    }[field]
    return Question(
        f"What is the {field} in {json.dumps(record)}?",
        f"The {field} is {{}}.",
        str(record[field]),
        others,
    )


def question(source):
    return source.weighted({_to_json: 3, _from_json: 1, _field: 1})(source)


def scene(source, count):
    return Scene("record", "", tuple(question(source) for _ in range(count)))
