"""The words of the language and the facts that never change."""

PEOPLE = (
    "Mira", "Tom", "Ana", "Oleg", "Nina", "Paul", "Vera", "Hugo", "Lena", "Karl", "Iris",
    "Jon", "Dora", "Emil", "Rosa", "Max", "Ella", "Finn", "Greta", "Leo", "Sara", "Otto",
    "Wanda", "Yuri",
)
PLACES = (
    "mill", "barn", "garden", "market", "harbor", "forest", "kitchen", "tower", "school",
    "bakery", "chapel", "cellar", "meadow", "inn", "castle", "library",
)
THINGS = (
    "lamp", "key", "book", "rope", "drum", "cup", "hat", "knife", "map", "basket", "bell",
    "coat", "mirror", "kite", "flute", "shovel", "candle", "chair", "box", "ball",
)
COLORS = ("red", "blue", "green", "yellow", "white", "black", "brown", "gray")
GOODS = ("apples", "pears", "eggs", "nuts", "coins", "stones", "plums", "beans")
TRADES = (
    "baker", "miller", "sailor", "teacher", "weaver", "smith", "hunter", "painter", "farmer",
    "tailor", "doctor", "fisher",
)
TOWNS = ("Arden", "Bellow", "Corvin", "Dunmore", "Elsby", "Farrow", "Galt", "Hollin")
ANIMALS = ("cat", "dog", "goat", "horse", "goose", "rabbit")

# Each person's facts, by position in PEOPLE. They are part of the language, not drawn: a model can
# only know them by heart.
_TRADE_OF = (3, 7, 0, 11, 5, 2, 9, 1, 10, 4, 6, 8, 2, 5, 7, 3, 11, 0, 8, 6, 1, 4, 10, 9)
_TOWN_OF = (2, 5, 7, 0, 3, 6, 1, 4, 6, 2, 0, 5, 4, 1, 3, 7, 5, 2, 0, 6, 4, 3, 7, 1)
_ANIMAL_OF = (4, 0, 3, 5, 1, 2, 0, 4, 2, 3, 5, 1, 1, 5, 4, 0, 3, 2, 5, 1, 0, 2, 4, 3)
_COLOR_OF = (6, 1, 4, 3, 0, 7, 5, 2, 3, 0, 6, 4, 7, 2, 1, 5, 4, 6, 0, 3, 2, 1, 5, 7)

TRADE = {name: TRADES[i] for name, i in zip(PEOPLE, _TRADE_OF)}
TOWN = {name: TOWNS[i] for name, i in zip(PEOPLE, _TOWN_OF)}
ANIMAL = {name: ANIMALS[i] for name, i in zip(PEOPLE, _ANIMAL_OF)}
COLOR = {name: COLORS[i] for name, i in zip(PEOPLE, _COLOR_OF)}


def article(noun):
    return "an" if noun[0] in "aeiou" else "a"


def listing(nouns):
    """"a", "a and b", "a, b and c"."""
    if len(nouns) == 1:
        return nouns[0]
    return ", ".join(nouns[:-1]) + " and " + nouns[-1]
