"""The synthetic language of the demo model: short tales, questions, sums, lists, records and facts.

Everything is drawn from a seeded `Source` that accounts the bits of each choice, so that the
entropy of a text is known and a model's loss on it can be judged.
"""
