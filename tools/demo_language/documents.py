"""Documents of the language: plain texts and conversations, each with the bits of its choices."""

import dataclasses

from demo_language import facts, lists, records, small_talk, sums, tales
from demo_language.source import Source

_TOPICS = {tales.scene: 8, sums.scene: 4, lists.scene: 3, facts.scene: 2, records.scene: 2}
_CHAT_TOPICS = {**_TOPICS, small_talk.scene: 1}
# Fewest and most questions of a plain document.
_QUESTIONS = {tales.scene: (3, 6), sums.scene: (3, 7), lists.scene: (2, 4), facts.scene: (3, 7), records.scene: (1, 3)}

SEPARATOR = "\n\n"
BRIEF = "Answer briefly."
_SYSTEM = {"": 6, "You are a helpful assistant.": 2, BRIEF: 2}


@dataclasses.dataclass(frozen=True)
class Document:
    """Either `text` or `messages` is set; `bits` is -log2 of the probability with which it was drawn."""

    bits: float
    text: str = ""
    messages: tuple = ()


def _plain(source):
    topic = source.weighted(_TOPICS)
    scene = topic(source, source.between(*_QUESTIONS[topic]))
    parts = [scene.setting] if scene.setting else []
    parts += [f"Question: {q.text}\nAnswer: {q.answer}" for q in scene.questions]
    return "\n".join(parts)


def _page(source):
    """Plain texts with an empty line between them; after each one the page ends once in four."""
    texts = [_plain(source)]
    while not source.chance(4):
        texts.append(_plain(source))
    return SEPARATOR.join(texts)


def _conversation(source):
    system = source.weighted(_SYSTEM)
    messages = [{"role": "system", "content": system}] if system else []
    for _ in range(source.weighted({1: 3, 2: 3, 3: 2, 4: 1})):
        topic = source.weighted(_CHAT_TOPICS)
        # Only a tale shows where its scene begins; one question of another topic a time keeps one path per text.
        scene = topic(source, source.between(1, 5) if topic is tales.scene else 1)
        for i, q in enumerate(scene.questions):
            asked = f"{scene.setting}\n{q.text}" if scene.setting and i == 0 else q.text
            messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": q.value if system == BRIEF else q.answer})
    return tuple(messages)


def draw(source):
    before = source.bits
    if source.chance(4):
        text = _page(source)
        return Document(source.bits - before, text=text)
    messages = _conversation(source)
    return Document(source.bits - before, messages=messages)


# One seed per use; `stream` mixes the use into the seed, so no two uses share a stream.
def stream(use, seed):
    """Endless documents of one use ("train", "heldout", ...)."""
    source = Source(f"{use}/{seed}")
    while True:
        yield draw(source)
