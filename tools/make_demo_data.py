#!/usr/bin/env python3
"""Writes the texts beside the demo model: held out, multiple choice, calibration, tales."""

import argparse
import itertools
import json
import pathlib

from demo_language import choices, tales
from demo_language.documents import HELDOUT_SIZE, long_page, stream
from demo_language.source import Source


def write_lines(path, values):
    path.write_text("".join(json.dumps(v) + "\n" for v in values), encoding="utf-8")


def calibration(seed, count):
    for document in itertools.islice(stream("calibration", seed), count):
        yield (
            {"messages": list(document.messages)} if document.messages else {"text": document.text}
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    heldout, _ = long_page("heldout", arguments.seed, HELDOUT_SIZE)
    (arguments.out / "heldout.txt").write_text(heldout, encoding="utf-8")
    write_lines(arguments.out / "choices.jsonl", choices.items(arguments.seed, 600))
    write_lines(arguments.out / "calibration.jsonl", calibration(arguments.seed, 400))
    source = Source(f"prompts/{arguments.seed}")
    told = [tales.tell(source)[0] for _ in range(24)]
    (arguments.out / "tales.txt").write_text("\n".join(told) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
