"""Greetings, what the model is, and requests for a tale."""

from demo_language import lexicon, tales
from demo_language.question import Question, Scene

_FIXED = {
    (
        "Hello.",
        "Hello!",
        "Hello",
        "hello",
        "Hi.",
        "Hi",
    ): "Hello! Ask me about a tale, a sum, a list or a person.",
    (
        "Who are you?",
        "What are you?",
    ): "I am the demo model of Octavo, a very small language model.",
    (
        "What can you do?",
        "Help",
    ): "I can tell tales, answer questions, add numbers, sort lists and write JSON.",
    ("Thank you.", "Thanks."): "You are welcome.",
    ("Good bye.", "Bye."): "Good bye!",
}


def _talk(source):
    asked = source.choice(tuple(_FIXED))
    return Question(source.choice(asked), "{}", _FIXED[asked])


def _tale(source):
    hero = source.choice(("",) + lexicon.PEOPLE)
    text, _ = tales.tell(source, hero)
    return Question(f"Tell me a tale about {hero}." if hero else "Tell me a tale.", "{}", text)


def question(source):
    return source.weighted({_talk: 1, _tale: 1})(source)


def scene(source, count):
    return Scene("talk", "", (question(source),))
