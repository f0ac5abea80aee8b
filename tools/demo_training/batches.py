"""Batches of token rows. Batch k depends on the seed and k alone, so a resumed run needs no state."""

import torch
from demo_language import chat, tracking
from demo_language.documents import stream


class Batches:
    def __init__(self, tokenizer, seed):
        self._tokenizer = tokenizer
        self._seed = seed
        vocabulary = tokenizer.get_vocab()
        self._assistant = vocabulary[chat.ASSISTANT]
        self._label = (vocabulary["Answer"], vocabulary[":"])
        line_ends = {index for token, index in vocabulary.items() if "Ċ" in token}
        self._ends = line_ends | {vocabulary[token] for token in (chat.BOS, chat.EOS, chat.END)}

    def batch(self, index, rows, length, mix):
        """Of rows of length + 1: tokens int64, is the token part of an answer? bool, and what its
        mention in a tale implies, int64 [rows, length + 1, slots].

        A row starts with a document, more follow, the last one is cut.
        """
        documents = stream("train", f"{self._seed}/{index}", mix)
        filled = [self._row(documents, length + 1) for _ in range(rows)]
        tokens = [row for row, _ in filled]
        return (
            torch.tensor(tokens),
            torch.tensor([self._in_answer(row) for row in tokens]),
            torch.tensor([implied for _, implied in filled]),
        )

    def _row(self, documents, length):
        row, implied = [], []
        while len(row) < length:
            text = chat.marked(next(documents))
            encoded = self._tokenizer.encode(text, add_special_tokens=False)
            known = dict(tracking.mentions(text))
            row += encoded.ids
            implied += [known.get(end - 1, tracking.NOTHING) for _, end in encoded.offsets]
        return row[:length], implied[:length]

    def _in_answer(self, row):
        """An answer goes from its mark to the end of its turn or line, that end included."""
        flags, inside = [], False
        for at, token in enumerate(row):
            flags.append(inside)
            if token == self._assistant or tuple(row[at - 1 : at + 1]) == self._label:
                inside = True
            elif token in self._ends:
                inside = False
        return flags
