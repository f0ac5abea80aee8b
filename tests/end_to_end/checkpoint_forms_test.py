#!/usr/bin/env python3
"""The same model stored in other types gives the same logits: doubles, 8-bit floats and integers with scales, heads tied, spare or missing."""
from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cli_test import CONFIG, OCTAVO, read_tensors, shapes  # noqa: E402

Tensor = tuple[str, list[int], list[float]]   # dtype, shape, values
BLOCK = 24   # divides neither 32 nor 64: the last block of a row is a short one
FP8 = {"quant_method": "fp8", "weight_block_size": [BLOCK, BLOCK], "activation_scheme": "dynamic"}


def e4m3(byte: int) -> float:
    exponent, mantissa = byte >> 3 & 15, byte & 7
    value = mantissa * 2.0**-9 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return -value if byte & 128 else value


def store(folder: Path, config: dict, tensors: dict[str, Tensor]) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    codes = {"F32": "f", "F64": "d", "F8_E4M3": "B", "I8": "b", "I64": "q", "F16": "e"}
    header, data = {}, bytearray()
    for name, (dtype, shape, values) in tensors.items():
        begin = len(data)
        data += struct.pack(f"<{len(values)}{codes[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


class Random:
    def __init__(self) -> None:
        self.state = 99

    def below(self, end: int) -> int:
        self.state = (1103515245 * self.state + 12345) % 2**31
        return self.state // 65536 % end


class CheckpointFormsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work, self.count = Path(folder.name), 0

    def octavo(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([OCTAVO, *map(str, args)], capture_output=True, text=True, timeout=120, check=False)

    def logits(self, config: dict, tensors: dict[str, Tensor]) -> tuple[float, ...]:
        self.count += 1
        model, ids, out = (self.work / f"{self.count}{part}" for part in ("", ".jsonl", ".safetensors"))
        store(model, config, tensors)
        ids.write_text('{"name": "p", "ids": [3, 1, 4, 1, 5]}\n', encoding="utf-8")
        done = self.octavo("logits", model, "--ids", ids, "--out", out, "--dtype", "float32")
        self.assertEqual(done.returncode, 0, done.stderr)
        return read_tensors(out)["p.logits"][1]

    def dense(self) -> dict[str, Tensor]:
        random, found = Random(), {}
        for name, shape in shapes().items():
            values = [1.0 if len(shape) == 1 else e4m3(random.below(0x38)) * (-1) ** random.below(2) / 4
                      for _ in range(shape[0] * (shape[1] if len(shape) > 1 else 1))]
            found[name] = ("F32", shape, values)
        return found

    def scaled(self, dtype: str, rows: int, cols: int, suffix: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Matrices of the layers as 8-bit elements with a scale a block of [rows, cols] (0: the whole axis), and their products."""
        random, stored, products = Random(), {}, {}
        for name, (_, shape, values) in self.dense().items():
            if ".layers." not in name or len(shape) != 2:
                stored[name] = products[name] = ("F32", shape, values)
                continue
            height, width = rows or shape[0], cols or shape[1]
            wide, high = -(-shape[1] // width), -(-shape[0] // height)
            scales = [0.25 + random.below(8) / 8 for _ in range(wide * high)]
            elements = [random.below(0x38) + 128 * random.below(2) if dtype == "F8_E4M3" else random.below(15) - 7 for _ in values]
            value = e4m3 if dtype == "F8_E4M3" else lambda code: float(code)
            stored[name] = (dtype, shape, elements)
            stored[name.removesuffix("weight") + suffix] = ("F32", [high, wide] if rows or cols else [], scales)
            products[name] = ("F32", shape, [value(element) * scales[i // shape[1] // height * wide + i % shape[1] // width]
                                             for i, element in enumerate(elements)])
        return stored, products

    def test_doubles_are_rounded(self) -> None:
        dense = self.dense()
        doubles = {name: ("F64", shape, values) for name, (_, shape, values) in dense.items()}
        self.assertEqual(self.logits(CONFIG, doubles), self.logits(CONFIG, dense))

    def test_elements_of_8_bits_are_scaled(self) -> None:
        packed = {"quant_method": "compressed-tensors", "format": "float-quantized",
                  "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"},
                                                "input_activations": {"num_bits": 8, "type": "float", "dynamic": True}}}}
        for title, section, case in (("blocks", FP8, ("F8_E4M3", BLOCK, BLOCK, "weight_scale_inv")), ("matrix", {"quant_method": "fp8"}, ("F8_E4M3", 0, 0, "weight_scale")),
                                     ("rows", {"quant_method": "fbgemm_fp8"}, ("F8_E4M3", 1, 0, "weight_scale")), ("rows", packed, ("F8_E4M3", 1, 0, "weight_scale")),
                                     ("integers", packed | {"format": "int-quantized"}, ("I8", 1, 0, "weight_scale")), ("unscaled", None, None)):
            with self.subTest(title=title, section=section):
                if case is None:
                    products, stored = self.dense(), {}
                    codes = {e4m3(byte) / 4: byte for byte in range(127)} | {-e4m3(byte) / 4: byte | 128 for byte in range(1, 127)}
                    for name, (_, shape, values) in products.items():
                        quarter = len(shape) == 2
                        stored[name] = ("F8_E4M3", shape, [codes[v] for v in values]) if quarter else ("F32", shape, values)
                    products = {name: (dtype, shape, [v * 4 for v in values] if len(shape) == 2 else values)
                                for name, (dtype, shape, values) in products.items()}
                else:
                    stored, products = self.scaled(*case)
                config = CONFIG | ({"quantization_config": section} if section else {})
                self.assertEqual(self.logits(config, stored), self.logits(CONFIG, products))

    def test_scales_of_another_shape_are_refused(self) -> None:
        stored, _ = self.scaled("F8_E4M3", BLOCK, BLOCK, "weight_scale_inv")
        name = "model.layers.0.mlp.up_proj.weight_scale_inv"
        stored[name] = ("F32", [5, 5], [1.0] * 25)
        store(self.work / "bad", CONFIG | {"quantization_config": FP8}, stored)
        ids = self.work / "ids.jsonl"
        ids.write_text('{"ids": [1]}\n', encoding="utf-8")
        done = self.octavo("logits", self.work / "bad", "--ids", ids, "--out", self.work / "out")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(name, done.stderr)

    def test_heads_are_tied_spare_or_missing(self) -> None:
        dense = self.dense()
        embedding, head = dense["model.embed_tokens.weight"], dense["lm_head.weight"]
        headless = {name: tensor for name, tensor in dense.items() if name != "lm_head.weight"}
        tied, untied = CONFIG | {"tie_word_embeddings": True}, CONFIG
        wanted = self.logits(untied, headless | {"lm_head.weight": embedding})
        self.assertEqual(self.logits(tied, headless), wanted)
        self.assertEqual(self.logits(tied, headless | {"lm_head.weight": embedding}), wanted)
        only_head = {name: tensor for name, tensor in headless.items() if "embed" not in name} | {"lm_head.weight": embedding}
        self.assertEqual(self.logits(tied, only_head), wanted)
        # A head that differs is the model's own, whatever config.json says.
        self.assertEqual(self.logits(tied, dense), self.logits(untied, headless | {"lm_head.weight": head}))
        store(self.work / "headless", untied, headless)
        ids = self.work / "ids.jsonl"
        ids.write_text('{"ids": [1]}\n', encoding="utf-8")
        done = self.octavo("logits", self.work / "headless", "--ids", ids, "--out", self.work / "out")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"output head is missing .*lm_head\.weight.*tie_word_embeddings")

    def test_inspect_tells_what_is_missing_left_over_and_converted(self) -> None:
        dense = self.dense()
        tensors = {name: ("F64", shape, values) for name, (_, shape, values) in dense.items() if name not in ("lm_head.weight", "model.norm.weight")}
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = ("F32", [1], [1.0])   # a buffer that follows from config.json
        tensors["model.layers.7.stray"] = ("I64", [1], [1])
        model = store(self.work / "odd", CONFIG, tensors)
        load = json.loads(self.octavo("inspect", model, "--json").stdout)["load"]
        self.assertEqual(load["unused"], ["model.layers.7.stray"])
        self.assertEqual(len(load["missing"]), 2, load["missing"])
        self.assertTrue(any("lm_head.weight" in line for line in load["missing"]) and any("model.norm.weight" in line for line in load["missing"]))
        self.assertEqual(list(load["formats"]), ["f32 from f64"])
        text = self.octavo("inspect", model).stdout
        self.assertRegex(text, r"missing +the output head is missing|missing +tensor is missing")
        self.assertRegex(text, r"unused +model\.layers\.7\.stray")
        self.assertEqual(list(json.loads(self.octavo("inspect", model, "--json", "--dtype", "bfloat16").stdout)["load"]["formats"]), ["bf16 from f64"])

    def test_wrappers_and_missing_prefixes_make_no_difference(self) -> None:
        dense = self.dense()
        wanted = self.logits(CONFIG, dense)
        self.assertEqual(self.logits(CONFIG, {"module." + name: tensor for name, tensor in dense.items()}), wanted)
        self.assertEqual(self.logits(CONFIG, {"_orig_mod." + name: tensor for name, tensor in dense.items()}), wanted)
        self.assertEqual(self.logits(CONFIG, {name.removeprefix("model."): tensor for name, tensor in dense.items()}), wanted)


if __name__ == "__main__":
    unittest.main()
