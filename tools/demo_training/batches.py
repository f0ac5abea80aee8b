"""Batches of token rows. Batch k depends on the seed and on k alone, so that a resumed run needs no reader state."""

import torch
from demo_language import chat
from demo_language.documents import stream


def batch(tokenizer, seed, index, rows, length):
    """int64 [rows, length + 1]; each row starts with a document and is packed with further ones, the last one cut."""
    documents = stream("train", f"{seed}/{index}")
    return torch.tensor([_row(tokenizer, documents, length + 1) for _ in range(rows)])


def _row(tokenizer, documents, length):
    row = []
    while len(row) < length:
        row += tokenizer.encode(chat.marked(next(documents)), add_special_tokens=False).ids
    return row[:length]
