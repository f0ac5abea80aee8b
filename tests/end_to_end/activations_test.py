#!/usr/bin/env python3
"""Rounded activations (--activations int8, the default) against exact ones on the bundled model: perplexity and the likeliest token stay.

Needs the program (OCTAVO, else build/release/bin/octavo); skips where it is missing."""
from __future__ import annotations

import array
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo")).absolute()
MODEL = Path("models/demo").absolute()
WINDOW, WINDOWS = 256, 12


def octavo(*args: object, **more: object) -> str:
    done = subprocess.run([str(PROGRAM), *map(str, args)], capture_output=True, text=True, timeout=300, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def likeliest(path: Path) -> list[int]:
    """The likeliest token of every position of every prompt in a file of logits."""
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    best = []
    for entry in sorted((v for k, v in json.loads(blob[8:8 + size]).items() if k != "__metadata__"), key=lambda v: v["data_offsets"][0]):
        begin, end = entry["data_offsets"]
        values = array.array("f", blob[8 + size + begin:8 + size + end])
        rows, vocab = entry["shape"]
        best += [max(range(vocab), key=values[row * vocab:(row + 1) * vocab].__getitem__) for row in range(rows)]
    return best


@unittest.skipUnless(PROGRAM.is_file(), f"no program at {PROGRAM}")
class Activations(unittest.TestCase):
    def test_rounded_activations_cost_next_to_nothing(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            text = (MODEL / "heldout.txt").read_text()
            ids = json.loads(octavo("tokenize", MODEL, input=json.dumps({"text": text}) + "\n"))["ids"]
            prompts = Path(folder) / "ids.jsonl"
            prompts.write_text("".join(json.dumps({"ids": ids[i * WINDOW:(i + 1) * WINDOW]}) + "\n" for i in range(WINDOWS)))
            for group in (128, 32):
                model = Path(folder) / f"g{group}"
                octavo("quantize", MODEL, model, "--method", "rtn", "--bits", 4, "--group-size", group)
                perplexity, tokens = {}, {}
                for kind in ("bf16", "int8"):
                    # The head alike in both: only activations differ.
                    flags = ("--activations", kind)
                    answer = octavo("eval", model, "--tasks", "perplexity", "--data", MODEL, "--limit", 20, "--json", *flags)
                    perplexity[kind] = json.loads(answer)["results"]["perplexity"]["perplexity"]
                    octavo("logits", model, "--ids", prompts, "--out", Path(folder) / f"{kind}.safetensors", *flags)
                    tokens[kind] = likeliest(Path(folder) / f"{kind}.safetensors")
                change = perplexity["int8"] / perplexity["bf16"] - 1
                agreement = sum(a == b for a, b in zip(tokens["int8"], tokens["bf16"])) / len(tokens["bf16"])
                print(f"groups of {group}: perplexity {change:+.4%}, same token {agreement:.2%} of {len(tokens['bf16'])}")
                self.assertNotEqual(perplexity["int8"], perplexity["bf16"])
                self.assertLess(abs(change), 0.003)
                self.assertGreater(agreement, 0.98)

    def test_inspect_tells_what_will_be_rounded(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "small"
            octavo("quantize", MODEL, model, "--method", "rtn", "--bits", 4, "--group-size", 64)

            def load(*flags: object) -> dict[str, object]:
                return dict(json.loads(octavo("inspect", model, "--json", *flags))["load"])

            self.assertEqual(load()["activations"], "int8")
            self.assertIn("int8 g128 from bf16", load()["formats"])  # type: ignore[operator]
            self.assertEqual(load("--activations", "bf16")["activations"], "bf16")
            self.assertNotIn("int8 g128 from bf16", load("--quantize-dense", "none")["formats"])  # type: ignore[operator]
            exact = load("--dtype", "float32")
            self.assertEqual(exact["activations"], "float32")
            self.assertNotIn("int8 g128 from bf16", exact["formats"])  # type: ignore[operator]


if __name__ == "__main__":
    unittest.main()
