#!/usr/bin/env python3
"""Quantized checkpoints packed by numpy code of this file, from the layouts' definitions: `dequantize`, `logits` and `export` read and
write them as they are meant."""
from __future__ import annotations

import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Callable

try:
    import numpy as np
except ModuleNotFoundError:
    np = None

ROOT = Path(__file__).resolve().parent.parent.parent
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4,
          "num_key_value_heads": 4, "num_hidden_layers": 2, "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
          "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": False, "eos_token_id": 63, "torch_dtype": "float16"}
LINEAR = {"self_attn.q_proj": (64, 64), "self_attn.k_proj": (64, 64), "self_attn.v_proj": (64, 64), "self_attn.o_proj": (64, 64),
          "mlp.gate_proj": (128, 64), "mlp.up_proj": (128, 64), "mlp.down_proj": (64, 128)}
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
Tensors = dict[str, "np.ndarray"]


class Matrix:
    """Codes [in, out], scales and zeros [groups, out] and the group of each input: the transposed view that GPTQ and AWQ store."""

    def __init__(self, shape: tuple[int, int], bits: int, group: int, sym: bool, order: bool, seed: int) -> None:
        random = np.random.default_rng(seed)
        (outs, ins), groups = shape, -(-shape[1] // group)
        self.bits, self.group, self.sym = bits, group, sym
        self.codes = random.integers(0, 2**bits, (ins, outs)).astype(np.uint32)
        self.scales = ((random.random((groups, outs)) + 0.5) * 0.3 / 2**bits).astype(np.float16)
        self.zeros = np.full((groups, outs), 2**(bits - 1), np.uint32) if sym else random.integers(1, 2**bits, (groups, outs)).astype(np.uint32)
        index = np.arange(ins) // group
        self.index = random.permutation(index).astype(np.int32) if order else index.astype(np.int32)

    def dense(self) -> "np.ndarray":
        """[out, in]"""
        values = self.codes.astype(np.float32) - self.zeros[self.index].astype(np.float32)
        return (values * self.scales[self.index].astype(np.float32)).T.copy()


def string(values: "np.ndarray", bits: int) -> "np.ndarray":
    """[..., n] values as little-endian bit strings of 32-bit words."""
    flat = (values[..., None] >> np.arange(bits, dtype=np.uint32) & 1).astype(np.uint8).reshape(*values.shape[:-1], -1)
    flat = np.pad(flat, [(0, 0)] * (flat.ndim - 1) + [(0, -flat.shape[-1] % 32)])
    return np.packbits(flat, axis=-1, bitorder="little").copy().view("<i4")


def planes(values: "np.ndarray", bits: int) -> "np.ndarray":
    blocks = values.reshape(*values.shape[:-1], -1, 32)
    widths = [w for w in (8, 4, 2, 1) if bits & w]
    parts, shift = [], 0
    for width in widths:
        parts.append(string(blocks >> shift & ((1 << width) - 1), width))
        shift += width
    return np.concatenate(parts, -1).reshape(*values.shape[:-1], -1)


def gptq(form: str) -> Callable[[str, Matrix], Tensors]:
    pack = planes if form == "gptq_p" else string

    def tensors(name: str, m: Matrix) -> Tensors:
        zeros = m.zeros - (1 if form == "gptq" else 0)
        return {name + ".qweight": pack(m.codes.T, m.bits).T.copy(), name + ".qzeros": pack(zeros, m.bits), name + ".scales": m.scales,
                name + ".g_idx": m.index}
    return tensors


def awq_gemm(name: str, m: Matrix) -> Tensors:
    def words(values: "np.ndarray") -> "np.ndarray":
        return string(values.reshape(len(values), -1, 8)[..., AWQ_ORDER].reshape(len(values), -1), 4)
    return {name + ".qweight": words(m.codes), name + ".qzeros": words(m.zeros), name + ".scales": m.scales}


def zero_width(m: Matrix) -> int:
    multiple = {32: 4, 64: 2}.get(m.group, 1)
    words = -(-len(m.scales) // 8)
    return -(-words // multiple) * multiple


def awq_gemv(name: str, m: Matrix) -> Tensors:
    pad = [(0, 0), (0, 8 * zero_width(m) - len(m.scales))]
    return {name + ".qweight": string(m.codes.T, 4), name + ".qzeros": string(np.pad(m.zeros.T, pad), 4), name + ".scales": np.pad(m.scales.T, pad)}


def awq_gemv_fast(name: str, m: Matrix) -> Tensors:
    outs, ins = m.codes.shape[1], m.codes.shape[0]
    q = m.codes.T.reshape(outs, ins // 32, 4, 4, 2).transpose(0, 1, 3, 2, 4)
    q = q.reshape(outs, ins // 32, 4, 4, 2).transpose(0, 1, 2, 4, 3).reshape(outs, ins)
    q = q.reshape(outs // 4, 4, ins // 64, 64).transpose(0, 2, 1, 3).reshape(outs // 4, ins // 64, 64, 4)
    q = (q << np.array([0, 4, 8, 12], np.uint32)).sum(-1).reshape(outs // 4, ins)
    pad = [(0, 8 * zero_width(m) - len(m.scales)), (0, 0)]
    offsets = -(m.scales.astype(np.float32) * m.zeros.astype(np.float32))
    return {name + ".qweight": q.astype(np.uint16).view("<i2"), name + ".qzeros": np.pad(offsets.astype(np.float16), pad),
            name + ".scales": np.pad(m.scales, pad)}


def compressed(name: str, m: Matrix) -> Tensors:
    found = {name + ".weight_packed": string(m.codes.T, m.bits), name + ".weight_scale": m.scales.T.copy(),
             name + ".weight_shape": np.array(m.codes.shape[::-1], "<i8")}
    if not m.sym:
        found[name + ".weight_zero_point"] = string(m.zeros, m.bits).T.copy()
    if not (m.index == np.arange(len(m.index)) // m.group).all():
        found[name + ".weight_g_idx"] = m.index
    return found


def save(folder: Path, config: dict, tensors: Tensors) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    codes = {"float32": "F32", "float16": "F16", "int32": "I32", "int16": "I16", "int64": "I64", "uint8": "F8_E4M3"}
    header, data = {}, bytearray()
    for name, value in tensors.items():
        raw = np.ascontiguousarray(value).tobytes()
        header[name] = {"dtype": codes[str(value.dtype)], "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


def read(folder: Path) -> Tensors:
    types = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "I16": "<i2", "I64": "<i8"}
    found = {}
    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else [folder]:
        blob = path.read_bytes()
        (size,) = struct.unpack("<Q", blob[:8])
        for name, entry in json.loads(blob[8:8 + size]).items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                found[name] = np.frombuffer(blob[8 + size + begin:8 + size + end], types[entry["dtype"]]).reshape(entry["shape"])
    return found


def awq_section(version: str) -> dict:
    return {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": version, "modules_to_not_convert": None}


def gptq_section(form: str, bits: int, sym: bool, order: bool) -> dict:
    return {"quant_method": "gptq", "bits": bits, "group_size": 32, "sym": sym, "desc_act": order, "checkpoint_format": form}


def compressed_section(bits: int, sym: bool, order: bool) -> dict:
    weights = {"num_bits": bits, "type": "int", "symmetric": sym, "strategy": "group", "group_size": 32, "actorder": "group" if order else None}
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


class Case:
    def __init__(self, name: str, pack: Callable[[str, Matrix], Tensors], section: dict, bits: int = 4, sym: bool = False, order: bool = False) -> None:
        self.name, self.pack, self.section, self.bits, self.sym, self.order = name, pack, section, bits, sym, order

    def matrices(self) -> dict[str, Matrix]:
        names = [(f"model.layers.{i}.{name}", shape) for i in range(2) for name, shape in LINEAR.items()]
        return {name: Matrix(shape, self.bits, 32, self.sym, self.order, seed) for seed, (name, shape) in enumerate(names)}


def cases() -> list[Case]:
    found = [Case("awq-gemm", awq_gemm, awq_section("gemm")), Case("awq-gemv", awq_gemv, awq_section("gemv")),
             Case("awq-gemv-fast", awq_gemv_fast, awq_section("gemv_fast"))]
    for bits in (2, 3, 4, 8):
        for form in ("gptq", "gptq_v2"):
            sym, order = bits != 3, (bits in (3, 4)) == (form == "gptq")
            found.append(Case(f"{form} {bits} bits", gptq(form), gptq_section(form, bits, sym, order), bits, sym, order))
    for bits in range(2, 9):
        found.append(Case(f"planes {bits} bits", gptq("gptq_p"), gptq_section("gptq_p", bits, bits % 2 == 0, bits == 5), bits, bits % 2 == 0, bits == 5))
        found.append(Case(f"strings {bits} bits", compressed, compressed_section(bits, bits % 2 == 1, bits in (3, 4)), bits, bits % 2 == 1, bits in (3, 4)))
    return found


class QuantizedLayoutsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if np is None:
            raise unittest.SkipTest("numpy is missing")
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work, self.count = Path(folder.name), 0

    def octavo(self, *args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([OCTAVO, *map(str, args)], capture_output=True, text=True, timeout=120, check=False)

    def fresh(self) -> Path:
        self.count += 1
        return self.work / str(self.count)

    def plain(self) -> Tensors:
        random = np.random.default_rng(99)
        found = {f"model.layers.{i}.{norm}.weight": np.ones(64, np.float16) for i in range(2) for norm in ("input_layernorm", "post_attention_layernorm")}
        return found | {"model.norm.weight": np.ones(64, np.float16), "model.embed_tokens.weight": random.normal(size=(64, 64)).astype(np.float16),
                        "lm_head.weight": (random.normal(size=(64, 64)) / 8).astype(np.float16)}

    def packed(self, case: Case) -> tuple[Path, Tensors]:
        """A checkpoint, and its tensors as they are meant."""
        tensors, meant = self.plain(), self.plain()
        for name, matrix in case.matrices().items():
            tensors |= case.pack(name, matrix)
            meant[name + ".weight"] = matrix.dense()
        return save(self.fresh(), CONFIG | {"quantization_config": case.section}, tensors), meant

    def done(self, *args: object) -> subprocess.CompletedProcess[str]:
        result = self.octavo(*args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def dequantized(self, model: Path) -> Tensors:
        out = self.fresh()
        self.done("dequantize", model, out, "--dtype", "float32")
        config = json.loads((out / "config.json").read_text())
        self.assertNotIn("quantization_config", config)
        self.assertEqual(config["torch_dtype"], "float32")
        return read(out)

    def logits(self, model: Path) -> "np.ndarray":
        ids, out = self.work / "ids.jsonl", self.fresh()
        ids.write_text('{"name": "p", "ids": [3, 1, 4, 1, 5, 9, 2, 6]}\n', encoding="utf-8")
        self.done("logits", model, "--ids", ids, "--out", out, "--dtype", "float32")
        return read(out)["p.logits"]

    def same(self, mine: Tensors, meant: Tensors, within: float = 0) -> None:
        self.assertEqual(sorted(mine), sorted(meant))
        for name, value in meant.items():
            self.assertLessEqual(float(np.abs(mine[name] - value.astype(np.float32)).max()), within * float(np.abs(value).max()), name)

    def test_every_layout_is_read_as_it_is_meant(self) -> None:
        for case in cases():
            with self.subTest(case.name):
                model, meant = self.packed(case)
                # Offsets of gemv_fast are rounded to f16 in the file.
                self.same(self.dequantized(model), meant, 1e-3 if case.name == "awq-gemv-fast" else 0)

    def test_logits_are_those_of_the_dense_model(self) -> None:
        for case in cases():
            with self.subTest(case.name):
                model, _ = self.packed(case)
                dense = save(self.fresh(), CONFIG, self.dequantized(model))
                want, got = self.logits(dense), self.logits(model)
                self.assertLess(float(np.abs(got - want).max()), 2e-4 * float(want.std()))

    def test_one_layout_becomes_another_and_back(self) -> None:
        targets = ("compressed-tensors", "awq-gemm", "awq-gemv", "gptq", "gptq-v2", "gptq-planar")
        model, meant = self.packed(Case("awq-gemm", awq_gemm, awq_section("gemm")))
        for target in targets:
            with self.subTest(target):
                out, back = self.fresh(), self.fresh()
                self.done("export", model, out, "--format", target)
                self.same(self.dequantized(out), meant)
                self.done("export", out, back, "--format", "awq-gemm")
                mine, first = read(back), read(model)
                self.assertEqual(sorted(mine), sorted(first))
                for name, value in first.items():
                    self.assertTrue(np.array_equal(mine[name], value), name)

    def test_exports_have_the_bytes_of_independent_packers(self) -> None:
        source = Case("gptq_v2", gptq("gptq_v2"), gptq_section("gptq_v2", 4, False, False))
        model, _ = self.packed(source)
        for target, pack in (("awq-gemm", awq_gemm), ("awq-gemv", awq_gemv), ("awq-gemv-fast", awq_gemv_fast), ("gptq", gptq("gptq")),
                             ("gptq-planar", gptq("gptq_p")), ("compressed-tensors", compressed)):
            with self.subTest(target):
                out = self.fresh()
                self.done("export", model, out, "--format", target)
                mine = read(out)
                for name, matrix in source.matrices().items():
                    for tensor, value in pack(name, matrix).items():
                        self.assertEqual(mine[tensor].dtype, value.dtype, tensor)
                        self.assertTrue(np.array_equal(mine[tensor], value), tensor)

    def test_export_says_why_it_cannot(self) -> None:
        ordered, _ = self.packed(Case("gptq", gptq("gptq"), gptq_section("gptq", 4, True, True), 4, True, True))
        three, _ = self.packed(Case("gptq", gptq("gptq"), gptq_section("gptq", 3, True, False), 3, True))
        asym, _ = self.packed(Case("awq-gemm", awq_gemm, awq_section("gemm")))
        dense = save(self.fresh(), CONFIG, self.plain())
        for model, target, words in ((ordered, "awq-gemm", "act-order"), (three, "awq-gemm", "3 bits"), (asym, "awq-marlin", "zero points"),
                                     (dense, "gptq", "not quantized"), (asym, "gptq-v9", "--format")):
            out = self.fresh()
            done = self.octavo("export", model, out, "--format", target)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertRegex(done.stderr, r"\Aoctavo: [^\n]+\n\Z")
            self.assertIn(words, done.stderr)
            self.assertFalse(out.exists())

    def test_zero_points_that_v1_cannot_say_are_refused(self) -> None:
        def with_zero(name: str, m: Matrix) -> Tensors:
            m.zeros[0, 0] = 0
            return awq_gemm(name, m)
        model, _ = self.packed(Case("awq-gemm", with_zero, awq_section("gemm")))
        out = self.fresh()
        done = self.octavo("export", model, out, "--format", "gptq")
        self.assertEqual(done.returncode, 2)
        self.assertIn("gptq-v2", done.stderr)
        self.assertFalse(out.exists())
        self.done("export", model, out, "--format", "gptq-v2")

    def test_sections_are_found_beside_config_too(self) -> None:
        model, meant = self.packed(Case("awq-gemm", awq_gemm, awq_section("gemm")))
        (model / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        ids = self.work / "one.jsonl"
        ids.write_text('{"name": "p", "ids": [3]}\n', encoding="utf-8")
        done = self.octavo("logits", model, "--ids", ids, "--out", self.fresh())
        self.assertEqual(done.returncode, 2)
        self.assertIn("quantization_config", done.stderr)
        (model / "quant_config.json").write_text('{"w_bit": 4, "q_group_size": 32, "zero_point": true, "version": "GEMM"}', encoding="utf-8")
        self.same(self.dequantized(model), meant)

    def test_v2_zeros_under_the_name_of_v1_are_told_once(self) -> None:
        model, meant = self.packed(Case("gptq", gptq("gptq_v2"), gptq_section("gptq", 4, True, False), 4, True))
        out = self.fresh()
        done = self.done("dequantize", model, out, "--dtype", "float32")
        self.assertEqual(done.stderr.count("gptq_v2"), 1)
        self.same(read(out), meant)

    def test_shards_and_their_index(self) -> None:
        model, meant = self.packed(Case("awq-gemm", awq_gemm, awq_section("gemm")))
        out = self.fresh()
        self.done("dequantize", model, out, "--dtype", "float32", "--shard-size", "100KB")
        index = json.loads((out / "model.safetensors.index.json").read_text())
        self.assertGreater(len(set(index["weight_map"].values())), 2)
        self.assertEqual(sorted(index["weight_map"]), sorted(meant))
        self.same(read(out), meant)
        self.assertEqual(self.octavo("dequantize", model, self.fresh(), "--shard-size", "big").returncode, 2)

    def test_scales_of_activations_are_refused_unless_ones(self) -> None:
        case = Case("awq-gemm", awq_gemm, awq_section("gemm"))
        for value, words in ((1, ""), (2, "model.layers.0.mlp.act.scales")):
            model, _ = self.packed(case)
            tensors = {name: tensor.copy() for name, tensor in read(model).items()} | {"model.layers.0.mlp.act.scales": np.full(128, value, np.float16)}
            bad = save(self.fresh(), CONFIG | {"quantization_config": case.section}, tensors)
            ids = self.work / "one.jsonl"
            ids.write_text('{"name": "p", "ids": [3]}\n', encoding="utf-8")
            done = self.octavo("logits", bad, "--ids", ids, "--out", self.fresh())
            self.assertEqual(done.returncode, 2 if words else 0, done.stderr)
            self.assertIn(words, done.stderr)

    def test_groups_without_a_kernel_are_told_while_loading(self) -> None:
        section = gptq_section("gptq_v2", 4, True, False) | {"group_size": 8}
        tensors = self.plain()
        for seed, (name, shape) in enumerate((f"model.layers.{i}.{name}", shape) for i in range(2) for name, shape in LINEAR.items()):
            tensors |= gptq("gptq_v2")(name, Matrix(shape, 4, 8, True, False, seed))
        model, ids = save(self.fresh(), CONFIG | {"quantization_config": section}, tensors), self.work / "one.jsonl"
        ids.write_text('{"name": "p", "ids": [3]}\n', encoding="utf-8")
        done = self.done("logits", model, "--ids", ids, "--out", self.fresh())
        self.assertEqual(done.stderr.count("int4 g8 in plain rows"), 1, done.stderr)

    def test_8_bit_floats_become_dense_too(self) -> None:
        tensors, meant, random = self.plain(), self.plain(), np.random.default_rng(5)
        byte = np.arange(256, dtype=np.uint8)
        exponent, mantissa = (byte >> 3 & 15).astype(int), (byte & 7).astype(float)
        value = np.where(exponent == 0, mantissa * 2.0**-9, (1 + mantissa / 8) * 2.0**(exponent - 7)) * np.where(byte & 128, -1, 1)
        for name, shape in ((f"model.layers.{i}.{name}", shape) for i in range(2) for name, shape in LINEAR.items()):
            codes, scale = random.integers(0, 0x70, shape, dtype=np.uint8), np.float32(random.random() + 0.5)
            tensors |= {name + ".weight": codes, name + ".weight_scale": np.array([scale], np.float32), name + ".input_scale": np.array([1], np.float32)}
            meant[name + ".weight"] = (value[codes] * scale).astype(np.float32)
        model = save(self.fresh(), CONFIG | {"quantization_config": {"quant_method": "fp8", "activation_scheme": "static"}}, tensors)
        self.same(self.dequantized(model), meant, 1e-6)

    def test_fused_matrices_with_act_order_run(self) -> None:
        """Phi-3 keeps q, k, v and gate, up in one matrix each: one order for all their parts."""
        config = CONFIG | {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "pad_token_id": 0, "original_max_position_embeddings": 128}
        section = gptq_section("gptq", 4, False, True)
        shapes = {"self_attn.qkv_proj": (192, 64), "self_attn.o_proj": (64, 64), "mlp.gate_up_proj": (256, 64), "mlp.down_proj": (64, 128)}
        packed, dense = self.plain(), {name: value.astype(np.float32) for name, value in self.plain().items()}
        for seed, (layer, (name, shape)) in enumerate((i, item) for i in range(2) for item in shapes.items()):
            matrix, full = Matrix(shape, 4, 32, False, True, seed), f"model.layers.{layer}.{name}"
            packed |= gptq("gptq")(full, matrix)
            dense[full + ".weight"] = matrix.dense()
        model = save(self.fresh(), config | {"quantization_config": section}, packed)
        want, got = self.logits(save(self.fresh(), config, dense)), self.logits(model)
        self.assertLess(float(np.abs(got - want).max()), 2e-4 * float(want.std()))


if __name__ == "__main__":
    unittest.main()
