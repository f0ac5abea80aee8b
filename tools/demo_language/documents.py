"""Documents of the language: plain texts and conversations, each with the bits of its choices."""

import dataclasses
import math

from demo_language import facts, lists, records, small_talk, sums, tales
from demo_language.source import Source

# Weights of the topics of plain documents and of conversations.
LANGUAGE = {tales.scene: 8, sums.scene: 4, lists.scene: 3, facts.scene: 2, records.scene: 2}
PRIMER = {tales.scene: 6, sums.scene: 1, lists.copy_scene: 6, facts.scene: 1, records.scene: 6}
PRACTICE = {tales.examination: 12, sums.scene: 6, lists.scene: 2, facts.scene: 1, records.scene: 1}
# Fewest and most questions of a plain document.
_QUESTIONS = {
    tales.scene: (3, 6),
    tales.examination: (5, 7),
    sums.scene: (3, 7),
    lists.scene: (2, 4),
    lists.copy_scene: (2, 4),
    facts.scene: (3, 7),
    records.scene: (1, 3),
}

# The same of a tale in a conversation.
_TALE_TURNS = {tales.scene: (1, 5), tales.examination: (5, 7)}
SEPARATOR = "\n\n"
HELDOUT_SIZE = 200_000  # characters of heldout.txt
PAGE_END = 4  # a page ends after a text once in so many
BRIEF = "Answer briefly."
_SYSTEM = {"": 6, "You are a helpful assistant.": 2, BRIEF: 2}


@dataclasses.dataclass(frozen=True)
class Document:
    """Either `text` or `messages` is set; `bits` is -log2 of the probability of drawing it.

    `kinds` names the topic of each answer of the assistant ("tale", "sum", "list", ...).
    """

    bits: float
    text: str = ""
    messages: tuple = ()
    kinds: tuple = ()


def _plain(source, mix):
    topic = source.weighted(mix)
    scene = topic(source, source.between(*_QUESTIONS[topic]))
    parts = [scene.setting] if scene.setting else []
    parts += [f"Question: {q.text}\nAnswer: {q.answer}" for q in scene.questions]
    return "\n".join(parts)


def _page(source, mix):
    """Plain texts with an empty line between them; after each one the page ends once in four."""
    texts = [_plain(source, mix)]
    while not source.chance(PAGE_END):
        texts.append(_plain(source, mix))
    return SEPARATOR.join(texts)


def _conversation(source, mix):
    topics = {**mix, small_talk.scene: 1}
    system = source.weighted(_SYSTEM)
    messages = [{"role": "system", "content": system}] if system else []
    kinds = []
    for _ in range(source.weighted({1: 3, 2: 3, 3: 2, 4: 1})):
        topic = source.weighted(topics)
        tale = topic in (tales.scene, tales.examination)
        # Only a tale shows where its scene begins; with one question of another topic at a time
        # a text still has one path.
        scene = topic(source, source.between(*_TALE_TURNS[topic]) if tale else 1)
        for i, q in enumerate(scene.questions):
            asked = f"{scene.setting}\n{q.text}" if scene.setting and i == 0 else q.text
            messages.append({"role": "user", "content": asked})
            messages.append(
                {"role": "assistant", "content": q.value if system == BRIEF else q.answer}
            )
            kinds.append(scene.kind)
    return tuple(messages), tuple(kinds)


def draw(source, mix):
    before = source.bits
    if source.chance(4):
        text = _page(source, mix)
        return Document(source.bits - before, text=text)
    messages, kinds = _conversation(source, mix)
    return Document(source.bits - before, messages=messages, kinds=kinds)


# One seed per use; `stream` mixes the use into the seed, so no two uses share a stream.
def stream(use, seed, mix=LANGUAGE):
    """Endless documents of one use ("train", "heldout", ...)."""
    source = Source(f"{use}/{seed}")
    while True:
        yield draw(source, mix)


def long_page(use, seed, size):
    """A page that goes on until it has `size` characters, and the bits of its text.

    Each empty line costs what the page's going on by chance would have cost.
    """
    source = Source(f"{use}/{seed}")
    texts, characters = [], 0
    while characters < size:
        texts.append(_plain(source, LANGUAGE))
        characters += len(texts[-1]) + len(SEPARATOR)
    going_on = math.log2(PAGE_END / (PAGE_END - 1))
    return SEPARATOR.join(texts), source.bits + going_on * (len(texts) - 1)
