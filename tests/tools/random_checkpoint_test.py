#!/usr/bin/env python3
"""tools/random_checkpoint.py: the files it writes belong together, and the program runs them."""
from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))
sys.path.insert(0, str(ROOT / "tools"))
try:
    import random_checkpoint as made
except ModuleNotFoundError:   # numpy
    made = None

TINY = made.PRESETS["tiny"] if made else None


class RandomCheckpointTest(unittest.TestCase):
    def setUp(self) -> None:
        if made is None:
            self.skipTest("numpy is missing")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)

    def header(self, folder: Path) -> tuple[dict[str, dict[str, object]], bytes]:
        blob = (folder / "model.safetensors").read_bytes()
        (size,) = struct.unpack("<Q", blob[:8])
        header = json.loads(blob[8:8 + size])
        del header["__metadata__"]
        return header, blob[8 + size:]

    def test_tensors_fill_the_file_without_gaps(self) -> None:
        for dtype, size in (("bfloat16", 2), ("float32", 4)):
            made.write(self.work / dtype, replace(TINY, dtype=dtype))
            header, data = self.header(self.work / dtype)
            end = 0
            for entry in header.values():
                self.assertEqual(entry["data_offsets"], [end, end + math.prod(entry["shape"]) * size])
                end = entry["data_offsets"][1]
            self.assertEqual(len(data), end)

    def test_same_seed_gives_same_bytes_and_another_seed_others(self) -> None:
        for name, seed in (("a", 7), ("b", 7), ("c", 8)):
            made.write(self.work / name, TINY, seed)
        a, b, c = ((self.work / name / "model.safetensors").read_bytes() for name in "abc")
        self.assertEqual(a, b)
        self.assertNotEqual(a, c)

    def test_families_have_their_tensors(self) -> None:
        names = {family: {name for name, _ in made.tensors(replace(TINY, family=family, tied=family == "qwen2"))}
                 for family in made.ARCHITECTURES}
        self.assertIn("model.layers.1.self_attn.q_proj.bias", names["qwen2"])
        self.assertNotIn("lm_head.weight", names["qwen2"])
        self.assertIn("model.layers.0.self_attn.k_norm.weight", names["qwen3"])
        self.assertIn("lm_head.weight", names["llama"])
        self.assertEqual(names["llama"], names["mistral"])

    def test_matrices_have_the_spread_of_their_inputs(self) -> None:
        draw = made.Draw("float32", 1)
        values = made.np.concatenate(list(draw.chunks("x_proj.weight", (500, 400))))
        self.assertAlmostEqual(float(values.std()) * 20, 1, delta=0.02)
        self.assertLess(abs(float(values.mean())), 0.001)

    def test_token_ids_fill_the_vocabulary(self) -> None:
        for vocab in (259, 512, 32000):
            shape = replace(TINY, vocab=vocab)
            file = made.tokenizer(shape)
            ids = [*file["model"]["vocab"].values(), *(token["id"] for token in file["added_tokens"])]
            self.assertEqual(sorted(ids), list(range(vocab)))
            for merge in file["model"]["merges"]:
                left, right = merge.split(" ")
                self.assertIn(left, file["model"]["vocab"])
                self.assertIn(left + right, file["model"]["vocab"])
            self.assertEqual(made.config(shape)["eos_token_id"], vocab - 1)

    def test_impossible_shapes_are_refused(self) -> None:
        for wrong in ({"vocab": 200}, {"kv_heads": 3}, {"head_dim": 7}, {"layers": 0}):
            with self.assertRaises(ValueError):
                made.write(self.work / "wrong", replace(TINY, **wrong))
        self.assertFalse((self.work / "wrong").exists())

    @unittest.skipUnless(os.access(OCTAVO, os.X_OK), f"no program at {OCTAVO}")
    def test_the_program_generates_text_and_ids(self) -> None:
        for family in made.ARCHITECTURES:
            folder = self.work / family
            made.write(folder, replace(TINY, family=family))
            run = subprocess.run([OCTAVO, "generate", folder, "--prompt", "the house <|im_end|>", "--max-tokens", "5", "--ignore-eos", "--json",
                                  "--no-skip-special-tokens", "--threads", "1"], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            answer = json.loads(run.stdout)
            self.assertEqual(len(answer["ids"]), 5)
            self.assertTrue(answer["text"])


if __name__ == "__main__":
    unittest.main()
