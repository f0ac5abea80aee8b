#!/usr/bin/env python3
"""Small runs of the programs of this folder: `octavo` against the PyPI packages that define its answers."""
from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = ROOT / "tests" / "data" / "tokenizers"
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))
NO_VENV = os.environ.get("OCTAVO_NO_VENV", "")


@unittest.skipIf(NO_VENV, NO_VENV)
class DifferentialTest(unittest.TestCase):
    def run_program(self, name: str, *arguments: object) -> None:
        done = subprocess.run([sys.executable, HERE / name, OCTAVO, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", check=False)
        last = (done.stdout.strip().splitlines() or [""])[-1]
        if last.startswith("skipped"):
            self.skipTest(last)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])

    def test_tokenizer_json_as_the_wheel(self) -> None:
        self.run_program("tokenizer_wheel.py", *sorted(DATA.glob("*.json")), "--strings", 1000)

    def test_every_component_as_the_wheel(self) -> None:
        self.run_program("tokenizer_components.py", "--strings", 60)

    def test_sentencepiece_models_as_the_wheel(self) -> None:
        self.run_program("sentencepiece_wheel.py", *sorted(DATA.glob("pieces_*.model")), "--strings", 1000)

    def test_older_forms_as_their_packages(self) -> None:
        self.run_program("old_forms.py")

    def test_gguf_logits_as_llama_cpp(self) -> None:
        self.run_program("gguf_llama_cpp.py")

    def test_quantized_layouts_as_their_packages(self) -> None:
        self.run_program("quantized_wheels.py")

    def test_templates_as_jinja2(self) -> None:
        self.run_program("template_jinja2.py")


if __name__ == "__main__":
    unittest.main()
