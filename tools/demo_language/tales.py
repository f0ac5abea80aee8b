"""Short tales: an opening, a few events, and questions about how things stand."""

from demo_language import lexicon
from demo_language.question import Question, Scene
from demo_language.world import EVENTS, Person, Thing, World


def _open(source, world, hero):
    """Draws who and what there is; returns the sentences."""
    names = (
        source.sample(lexicon.PEOPLE, source.between(2, 3))
        if not hero
        else [hero] + source.sample([n for n in lexicon.PEOPLE if n != hero], source.between(1, 2))
    )
    told = []
    for name in names:
        place = source.choice(lexicon.PLACES)
        world.people[name] = Person(name, place)
        told.append(f"{name} is in the {place}.")
    for name in source.sample(lexicon.THINGS, source.between(1, 2)):
        thing = world.things[name] = Thing(name, source.choice(lexicon.COLORS))
        if source.chance(2):
            thing.holder = source.choice(names)
            told.append(f"{thing.holder} has a {thing.color} {name}.")
        else:
            thing.place = source.choice(world.places())
            told.append(f"A {thing.color} {name} is in the {thing.place}.")
    if source.chance(3):
        person = world.people[source.choice(names)]
        person.goods, person.count = source.choice(lexicon.GOODS), source.between(2, 20)
        told.append(f"{person.name} has {person.count} {person.goods}.")
    return told


def _events(source, world, count):
    told = []
    for _ in range(count):
        possible = {k: kind(world) for k, (kind, _) in enumerate(EVENTS)}
        kind = source.weighted({k: EVENTS[k][1] for k, events in possible.items() if events})
        event = source.choice(possible[kind])
        event.happen()
        told.append(event.sentence)
    return told


def _person_questions(world):
    places = world.places()
    for p in world.people.values():
        others = tuple(world.places()) + lexicon.PLACES
        yield Question(f"Where is {p.name}?", f"{p.name} is in the {{}}.", p.place, others)
        if p.before:
            yield Question(
                f"Where was {p.name} before?", f"{p.name} was in the {{}}.", p.before, others
            )
        if p.goods:
            near = tuple(
                str(n) for n in (p.count + 1, p.count + 2, p.count - 1, p.count + 10) if n >= 0
            )
            yield Question(
                f"How many {p.goods} does {p.name} have?",
                f"{p.name} has {{}} {p.goods}.",
                str(p.count),
                near,
            )
        carried = [f"the {t.name}" for t in world.carried(p.name)]
        others = tuple(f"the {t}" for t in (*world.things, *lexicon.THINGS)) + ("nothing",)
        yield Question(
            f"What does {p.name} carry?",
            f"{p.name} carries {{}}.",
            lexicon.listing(carried) if carried else "nothing",
            others,
        )
    for place in places:
        here = [p.name for p in world.present(place)]
        if len(here) < 2:
            others = tuple(world.people) + ("Nobody",) + lexicon.PEOPLE
            yield Question(
                f"Who is in the {place}?",
                f"{{}} is in the {place}.",
                here[0] if here else "Nobody",
                others,
            )
        else:
            pairs = tuple(
                f"{a} and {b}"
                for a in world.people
                for b in world.people
                if a != b and {a, b} != set(here)
            )
            more = tuple(f"{here[0]} and {b}" for b in lexicon.PEOPLE if b not in here)
            yield Question(
                f"Who is in the {place}?",
                f"{{}} are in the {place}.",
                lexicon.listing(here),
                pairs + more,
            )


def _thing_questions(world):
    for t in world.things.values():
        others = tuple(world.places()) + lexicon.PLACES
        if t.holder:
            form = f"The {t.name} is with {t.holder} in the {{}}."
            yield Question(f"Where is the {t.name}?", form, world.where(t), others)
        else:
            yield Question(
                f"Where is the {t.name}?", f"The {t.name} is in the {{}}.", t.place, others
            )
        owners = tuple(world.people) + ("Nobody",) + lexicon.PEOPLE
        yield Question(
            f"Who has the {t.name}?", f"{{}} has the {t.name}.", t.holder or "Nobody", owners
        )
        yield Question(
            f"What color is the {t.name}?", f"The {t.name} is {{}}.", t.color, lexicon.COLORS
        )


def questions_about(world):
    return [*_person_questions(world), *_thing_questions(world)]


def tell(source, hero="", fewest=3):
    """A tale and the world at its end. With `hero` the tale begins with that person."""
    world = World()
    told = _open(source, world, hero)
    told += _events(source, world, source.between(fewest, 7))
    return " ".join(told), world


def scene(source, count):
    text, world = tell(source)
    return Scene("tale", text, tuple(source.sample(questions_about(world), count)))


def examination(source, count):
    """As a scene, but the tale may be shorter: few events are easier to learn from."""
    text, world = tell(source, fewest=1)
    return Scene("tale", text, tuple(source.sample(questions_about(world), count)))
