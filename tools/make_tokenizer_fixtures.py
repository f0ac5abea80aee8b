#!/usr/bin/env python3
"""Trains the small sentencepiece models of tests/data/tokenizers (pip install sentencepiece). The text is made here from a few words, so
that anyone gets the same files.

    python3 tools/make_tokenizer_fixtures.py"""
from __future__ import annotations

import io
import random
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "tokenizers"
WORDS = "the a small red green house river stone walks talks sings under over near and or if then 12 345 2024 don't it's naïve café über".split()
RULES = "0041\t0061\n00e9\t0065 0301\nfb01\t0066 0069\n2460\t0031\n"   # A -> a, é -> e and an accent, ﬁ -> fi, ① -> 1


def sentences() -> list[str]:
    r = random.Random(3)
    return [" ".join(r.choice(WORDS) for _ in range(r.randint(3, 12))) + r.choice((".", "!", "  ", "")) for _ in range(3000)]


def train(name: str, **options: object) -> None:
    import sentencepiece
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences()), model_writer=out, minloglevel=2, num_threads=1,
                                             hard_vocab_limit=False, **options)
    (FOLDER / f"{name}.model").write_bytes(out.getvalue())


def main() -> int:
    rules = Path("/dev/shm" if Path("/dev/shm").is_dir() else ".") / "octavo_rules.tsv"
    rules.write_text(RULES, encoding="utf-8")
    try:
        train("pieces_bpe", model_type="bpe", vocab_size=400, byte_fallback=True, normalization_rule_name="identity",
              remove_extra_whitespaces=False, user_defined_symbols=["<tool>", "ll"], control_symbols=["<end>"])
        train("pieces_unigram", model_type="unigram", vocab_size=150, normalization_rule_tsv=str(rules), user_defined_symbols=["<tool>", "st"],
              pad_id=3)
        train("pieces_suffix", model_type="unigram", vocab_size=400, byte_fallback=True, treat_whitespace_as_suffix=True,
              normalization_rule_name="identity", add_dummy_prefix=False)
    finally:
        rules.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
