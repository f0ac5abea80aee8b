"""The state of a tale: who is where, who carries what, which color things have."""

import dataclasses

from demo_language import lexicon


@dataclasses.dataclass
class Person:
    name: str
    place: str
    before: str = ""  # the place before this one, "" before the first move
    goods: str = ""  # the kind of goods counted, "" when none
    count: int = 0


@dataclasses.dataclass
class Thing:
    name: str
    color: str
    place: str = ""  # where it lies; "" while somebody carries it
    holder: str = ""


@dataclasses.dataclass(frozen=True)
class Event:
    sentence: str
    happen: object  # called without arguments, changes the world


class World:
    """People and things in order of their first mention."""

    def __init__(self):
        self.people = {}
        self.things = {}

    def places(self):
        """The places named so far, each once, in a fixed order that the text determines."""
        found = {}
        for person in self.people.values():
            found[person.place] = True
            if person.before:
                found[person.before] = True
        for thing in self.things.values():
            if thing.place:
                found[thing.place] = True
        return list(found)

    def where(self, thing):
        return thing.place or self.people[thing.holder].place

    def carried(self, name):
        return [t for t in self.things.values() if t.holder == name]

    def present(self, place):
        return [p for p in self.people.values() if p.place == place]


def _go(person, place):
    person.before, person.place = person.place, place


def moves_to_known(world):
    return [
        Event(f"{p.name} goes to the {place}.", lambda p=p, place=place: _go(p, place))
        for p in world.people.values()
        for place in world.places()
        if place != p.place
    ]


def moves_to_new(world):
    known = world.places()
    return [
        Event(f"{p.name} goes to the {place}.", lambda p=p, place=place: _go(p, place))
        for p in world.people.values()
        for place in lexicon.PLACES
        if place not in known
    ]


def _hold(thing, name):
    thing.holder, thing.place = name, ""


def takings(world):
    return [
        Event(f"{p.name} takes the {t.name}.", lambda p=p, t=t: _hold(t, p.name))
        for t in world.things.values()
        if t.place
        for p in world.present(t.place)
    ]


def gifts(world):
    return [
        Event(f"{t.holder} gives the {t.name} to {p.name}.", lambda p=p, t=t: _hold(t, p.name))
        for t in world.things.values()
        if t.holder
        for p in world.present(world.where(t))
        if p.name != t.holder
    ]


def _drop(world, thing):
    thing.place, thing.holder = world.where(thing), ""


def droppings(world):
    return [
        Event(f"{t.holder} puts the {t.name} down.", lambda t=t: _drop(world, t))
        for t in world.things.values()
        if t.holder
    ]


def _paint(thing, color):
    thing.color = color


def paintings(world):
    return [
        Event(f"{t.holder} paints the {t.name} {color}.", lambda t=t, color=color: _paint(t, color))
        for t in world.things.values()
        if t.holder
        for color in lexicon.COLORS
        if color != t.color
    ]


def _count(person, change):
    person.count += change


def findings(world):
    return [
        Event(f"{p.name} finds {n} {p.goods}.", lambda p=p, n=n: _count(p, n))
        for p in world.people.values()
        if p.goods
        for n in range(2, 10)
    ]


def losses(world):
    return [
        Event(f"{p.name} loses {n} {p.goods}.", lambda p=p, n=n: _count(p, -n))
        for p in world.people.values()
        if p.goods
        for n in range(2, min(p.count, 9) + 1)
    ]


# How often each kind of event is drawn where it is possible.
EVENTS = (
    (moves_to_known, 6),
    (moves_to_new, 3),
    (takings, 6),
    (gifts, 5),
    (droppings, 3),
    (paintings, 2),
    (findings, 3),
    (losses, 2),
)
