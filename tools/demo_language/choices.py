"""Multiple-choice items: a scene, one question, four answers of which one is right."""

from demo_language import facts, lists, records, sums, tales
from demo_language.question import Scene
from demo_language.source import Source

_TOPICS = {tales.scene: 5, sums.scene: 2, lists.scene: 1, facts.scene: 1, records.scene: 1}
_ENDINGS = 4


def item(source):
    """{"ctx", "endings", "label", "kind"}: the continuation of ctx is " " + ending."""
    while True:
        scene = source.weighted(_TOPICS)(source, 1)
        question = scene.questions[0]
        wrong = question.wrong_answers(_ENDINGS - 1)
        if len(wrong) == _ENDINGS - 1:
            return _laid_out(source, scene, question, wrong)


def _laid_out(source, scene: Scene, question, wrong):
    label = source.below(_ENDINGS)
    endings = wrong[:label] + [question.answer] + wrong[label:]
    setting = scene.setting + "\n" if scene.setting else ""
    return {
        "ctx": f"{setting}Question: {question.text}\nAnswer:",
        "endings": endings,
        "label": label,
        "kind": scene.kind,
    }


def items(seed, count):
    """`count` different items."""
    source, found = Source(f"choices/{seed}"), {}
    while len(found) < count:
        made = item(source)
        found.setdefault(made["ctx"], made)
    return list(found.values())
