"""Trains the byte-level BPE tokenizer on documents of the language."""

import itertools

from demo_language import chat
from demo_language.documents import stream
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

# Words with the space or sign before them, single digits, runs of signs, line ends, other space:
# the split of current open models, so that the demo model exercises the same path of the tokenizer.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(vocabulary, documents, seed):
    """A tokenizer with the special tokens first, then the 256 bytes, then merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(chat.SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(documents, seed), trainer)
    bos = chat.SPECIAL_TOKENS.index(chat.BOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{chat.BOS} $A",
        pair=f"{chat.BOS} $A {chat.BOS} $B",
        special_tokens=[(chat.BOS, bos)],
    )
    return tokenizer


def _texts(documents, seed):
    for document in itertools.islice(stream("tokenizer", seed), documents):
        if document.text:
            yield document.text
        for message in document.messages:
            yield message["content"]
