"""How far a run has come, and what follows from it: learning rate and row length."""

import dataclasses

from demo_language import documents

_WARMUP = 0.02  # share of the run
_DECAY_FROM = 0.4
_PRIMER_UNTIL = 0.25  # share of the run whose documents are mostly about copying
_LONG_FROM = 0.9  # from here on rows are as long as the context
_TRACKING_WEIGHT = 0.5  # of the mean loss of the state of tales, until rows become long
_ANSWER_WEIGHT = 5.0  # of an answer's token in the loss, until rows become long


@dataclasses.dataclass
class Budget:
    """Either `seconds` or `steps` limits the run. Only one limited by steps can be repeated."""

    seconds: float = 0.0
    steps: int = 0

    def progress(self, seconds, steps):
        """0 at the start, 1 or more at the end."""
        return steps / self.steps if self.steps else seconds / self.seconds


def rate(progress):
    """Factor of the learning rate: linear warm-up, constant, linear decay to 0."""
    if progress < _WARMUP:
        return max(progress, 1e-3) / _WARMUP
    if progress < _DECAY_FROM:
        return 1.0
    return max(0.0, (1.0 - progress) / (1.0 - _DECAY_FROM))


def mix(progress):
    """First copying, which other answers are built on; then questions; at last the language."""
    if progress < _PRIMER_UNTIL:
        return documents.PRIMER
    return documents.PRACTICE if progress < _LONG_FROM else documents.LANGUAGE


def row_length(progress, short, context):
    return short if progress < _LONG_FROM else context


def answer_weight(progress):
    """Answers follow from what was said, the rest is mostly chance: their gradient carries more."""
    return _ANSWER_WEIGHT if progress < _LONG_FROM else 1.0


def tracking_weight(progress):
    return _TRACKING_WEIGHT if progress < _LONG_FROM else 0.0
