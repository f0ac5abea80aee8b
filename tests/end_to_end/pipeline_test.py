#!/usr/bin/env python3
"""The whole way with the bundled model, as a user walks it: quantize, evaluate, generate; and what must not break it.

Needs the program (OCTAVO, else build/release/bin/octavo); skips where it is missing."""
from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo")).absolute()
MODEL = Path("models/demo").absolute()


def octavo(*args: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROGRAM), *map(str, args)], capture_output=True, text=True, timeout=300, check=False, **more)  # type: ignore[call-overload,no-any-return]


@unittest.skipUnless(PROGRAM.is_file(), f"no program at {PROGRAM}")
class Pipeline(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.out = Path(self.folder.name) / "small"

    def tearDown(self) -> None:
        self.folder.cleanup()

    def quantize(self, bits: int, *more: object) -> None:
        done = octavo("quantize", MODEL, self.out, "--bits", bits, "--group-size", 64, *more)
        self.assertEqual(done.returncode, 0, done.stderr)

    def evaluate(self, *more: object) -> subprocess.CompletedProcess[str]:
        return octavo("eval", self.out, "--baseline", MODEL, "--tasks", "perplexity", "--data", MODEL, "--limit", 10, "--json", *more)

    def test_four_bits_are_a_third_of_the_size_and_nearly_as_good(self) -> None:
        self.quantize(4)
        before, after = ((folder / "model.safetensors").stat().st_size for folder in (MODEL, self.out))
        self.assertLess(after, before / 2.5)
        answer = self.evaluate("--max-degradation", "5%")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        result = json.loads(answer.stdout)["results"]["perplexity"]
        self.assertGreater(result["kl_divergence"], 0)
        self.assertGreater(result["top1_agreement"], 0.9)
        report = json.loads((self.out / "quantization_report.json").read_text())
        self.assertEqual(len(report["matrices"]), 56)
        self.assertIn("<svg", (self.out / "quantization_report.html").read_text())

    def test_two_bits_hurt_and_the_exit_status_says_so(self) -> None:
        self.quantize(2)
        self.assertEqual(self.evaluate("--max-degradation", "1%").returncode, 1)

    def test_a_quantized_model_answers_like_any_other(self) -> None:
        self.quantize(8, "--sym")
        wanted, got = (json.loads(octavo("generate", model, "--prompt", "Mira is in the garden.", "--temperature", 0, "--max-tokens", 8, "--json").stdout) for model in (MODEL, self.out))
        self.assertEqual(len(got["ids"]), len(wanted["ids"]))
        self.assertEqual(got["ids"][0], wanted["ids"][0])

    def test_many_prompts_at_once_give_what_each_gives_alone(self) -> None:
        prompts = [f"{name} is in the {place}." for name in ("Mira", "Leo", "Otto", "Vera") for place in ("garden", "barn", "tower", "kitchen")]
        flags = ("--temperature", 0, "--max-tokens", 16, "--json")
        lines = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
        together = [json.loads(line)["ids"] for line in octavo("generate", MODEL, "--jsonl", *flags, input=lines).stdout.splitlines()]
        alone = [json.loads(octavo("generate", MODEL, "--prompt", prompt, *flags).stdout)["ids"] for prompt in prompts]
        self.assertEqual(together, alone)

    def test_a_file_that_may_not_grow_ends_in_one_line_and_no_output(self) -> None:
        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        done = octavo("quantize", MODEL, self.out, "--bits", 4, "--group-size", 64, preexec_fn=limit)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len([line for line in done.stderr.splitlines() if line.startswith("octavo: ")]), 1)
        self.assertFalse(self.out.exists())

    def test_an_output_that_is_there_is_not_touched(self) -> None:
        self.out.mkdir()
        (self.out / "mine").write_text("keep")
        self.assertEqual(octavo("quantize", MODEL, self.out).returncode, 2)
        self.assertEqual((self.out / "mine").read_text(), "keep")


if __name__ == "__main__":
    unittest.main()
