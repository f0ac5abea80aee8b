#!/usr/bin/env python3
"""Random strings and ids through the PyPI `sentencepiece` wheel and through `octavo tokenize`: the same ids, the same text.

    python3 tests/differential/sentencepiece_wheel.py OCTAVO MODEL... [--strings N] [--seed S]

Each MODEL is a tokenizer.model (or a folder with one) without a tokenizer_config.json beside it. The last line is `N strings, M different`."""
from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from tokenizer_wheel import Makers, ask

try:
    import sentencepiece
except ImportError:
    sentencepiece = None


def compare(octavo: str, model: Path, r: random.Random, count: int) -> int:
    file = model / "tokenizer.model" if model.is_dir() else model
    wheel = sentencepiece.SentencePieceProcessor(model_file=str(file))
    golden = model / "golden.jsonl"
    texts = [json.loads(line)["text"] for line in golden.open(encoding="utf-8")] if golden.is_file() else []
    pieces = {wheel.id_to_piece(i): i for i in range(wheel.get_piece_size())}
    control = [i for i in range(wheel.get_piece_size()) if wheel.is_control(i)]
    makers = Makers({"added_tokens": [{"content": wheel.id_to_piece(i)} for i in control], "model": {"vocab": pieces}}, texts)
    strings = [makers.string(r) for _ in range(count)]
    strings[::10] = [r.choice(list(pieces)) * r.randint(2, 40) for _ in strings[::10]]   # runs have many equal ways
    lists: list[list[int]] = [wheel.encode(text) for text in strings]
    bad: set[int] = set()
    reported = 0

    def report(mode: str, i: int, given: Any, want: Any, got: Any) -> None:
        nonlocal reported
        bad.add(i)
        reported += 1
        if reported <= 10:
            print(f"DIFFERENT {model.name} {mode} {given!r}\n  wheel:  {want!r}\n  octavo: {got!r}", flush=True)

    for i, (want, got) in enumerate(zip(lists, ask(octavo, file, [], [{"text": text} for text in strings], "ids"))):
        if want != got:
            report("ids", i, strings[i], want, got)
    for i in range(0, count, 3):   # ids that no text gives; control pieces show here but not there
        lists[i] = [j for j in (r.randrange(wheel.get_piece_size()) for _ in range(r.randint(0, 12))) if j not in control]
    for i, (ids, got) in enumerate(zip(lists, ask(octavo, file, ["--decode"], [{"ids": ids} for ids in lists], "text"))):
        if wheel.decode(ids) != got:
            report("decode", i, ids, wheel.decode(ids), got)
    return len(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("octavo")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--strings", type=int, default=2000, help="for each model")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if sentencepiece is None:
        print("skipped: the `sentencepiece` wheel is not installed")
        return 0
    different = 0
    for model in args.models:
        bad = compare(args.octavo, model, random.Random(f"{args.seed} {model.name}"), args.strings)
        different += bad
        print(f"{model.name:<24} {args.strings} strings, {bad} different (seed {args.seed})", flush=True)
    print(f"{args.strings * len(args.models)} strings, {different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
