"""Seeded choices whose information is accounted."""

import math
import random


class Source:
    """A stream of random choices; `bits` is the sum of -log2 p over the choices made so far.

    The bits of a text are those of the path that wrote it: -log2 p(text) if no other path writes
    the same text. A caller therefore draws among what is valid, never again until something is.
    """

    def __init__(self, seed):
        self._random = random.Random(seed)
        self.bits = 0.0

    def below(self, count):
        """One of 0 .. count - 1, all alike. REQUIRES: count > 0."""
        self.bits += math.log2(count)
        return self._random.randrange(count)

    def between(self, low, high):
        """One of low .. high, both included."""
        return low + self.below(high - low + 1)

    def choice(self, options):
        return options[self.below(len(options))]

    def weighted(self, weights):
        """A key of the mapping {key: whole-number weight}."""
        total = sum(weights.values())
        at = self._random.randrange(total)
        for key, weight in weights.items():
            if at < weight:
                self.bits += math.log2(total / weight)
                return key
            at -= weight
        raise AssertionError("weights changed while they were read")

    def chance(self, one_in):
        """True once in `one_in` draws."""
        return self.weighted({True: 1, False: one_in - 1})

    def sample(self, options, count):
        """`count` different options, in random order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(count)]

    def shuffled(self, options):
        return self.sample(options, len(options))
