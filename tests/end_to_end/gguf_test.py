#!/usr/bin/env python3
"""GGUF files from outside: written from the parity fixtures by tests/gguf/convert.py, read by `octavo`. Needs the `gguf` package."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))
FIXTURES = ROOT / "tests" / "data" / "parity"

try:
    sys.path.insert(0, str(ROOT / "tests" / "gguf"))
    import convert
    import gguf
    import numpy as np
    from convert import Type
    from safetensors.numpy import load_file, save_file
except ImportError as missing:
    convert = None
    REASON = str(missing)

# GGUF has no form for dynamic scaling, and none for a window in Mistral's files.
LEFT_OUT = {"llama-dynamic", "mistral"}


def octavo(*args: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([OCTAVO, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=300, check=False)


@unittest.skipIf(convert is None, "the gguf package is missing")
class GgufTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = Path(cls.folder.name)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def logits(self, model: Path, ids: list[int], *flags: str):
        source, out = self.work / "ids.jsonl", self.work / "logits.safetensors"
        source.write_text(json.dumps({"name": "p", "ids": ids}) + "\n")
        result = octavo("logits", model, "--ids", source, "--out", out, *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return load_file(out)["p.logits"]

    def write(self, case: str, kind: str, **options) -> Path:
        out = self.work / f"{case}-{kind}.gguf"
        convert.Converter(FIXTURES / case).write(out, Type[kind], **options)
        return out

    def assert_close(self, mine, wanted, limit: float) -> None:
        self.assertEqual(mine.shape, wanted.shape)
        self.assertLessEqual(float(np.abs(mine - wanted).max() / wanted.std()), limit)

    def test_every_family_gives_the_logits_of_its_reference(self) -> None:
        for case in sorted(path.name for path in FIXTURES.iterdir()):
            kinds = json.loads((FIXTURES / case / "config.json").read_text())["model_type"]
            if case in LEFT_OUT or kinds not in convert.ARCHITECTURES:
                continue
            with self.subTest(case=case):
                reference = load_file(FIXTURES / case / "reference.safetensors")
                mine = self.logits(self.write(case, "F32"), reference["ids"].tolist(), "--dtype", "float32")
                self.assert_close(mine, reference["logits"], 1e-3)

    def test_half_precision_files_are_read_as_stored(self) -> None:
        for kind, limit in (("F16", 2e-2), ("BF16", 1e-1)):
            with self.subTest(kind=kind):
                reference = load_file(FIXTURES / "qwen3" / "reference.safetensors")
                mine = self.logits(self.write("qwen3", kind), reference["ids"].tolist(), "--dtype", "float32")
                self.assert_close(mine, reference["logits"], limit)

    def test_block_formats_agree_with_their_values_in_a_dense_file(self) -> None:
        """The same numbers, once packed and once as the floats that the package makes of them."""
        model = self.work / "wide"
        wide_model(model)
        ids = list(range(3, 40))
        for kind in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4"):
            with self.subTest(kind=kind):
                packed, dense = self.work / f"{kind}.gguf", self.work / f"{kind}-dense.gguf"
                convert.Converter(model).write(packed, Type[kind])
                dequantize_file(packed, dense)
                mine = self.logits(packed, ids, "--dtype", "float32")
                wanted = self.logits(dense, ids, "--dtype", "float32")
                self.assert_close(mine, wanted, 1e-3)

    def test_parts_are_one_model(self) -> None:
        reference = load_file(FIXTURES / "llama" / "reference.safetensors")
        self.write("llama", "F32", split=5)
        parts = sorted(self.work.glob("llama-F32-*-of-*.gguf"))
        self.assertGreater(len(parts), 1)
        mine = self.logits(parts[0], reference["ids"].tolist(), "--dtype", "float32")
        self.assert_close(mine, reference["logits"], 1e-3)
        parts[-1].unlink()
        result = octavo("inspect", parts[0])
        self.assertEqual(result.returncode, 2)
        self.assertIn("a part of the model is missing", result.stderr)

    def test_commands_take_a_file_where_they_take_a_directory(self) -> None:
        model = ROOT / "tests" / "data" / "gguf" / "llama.gguf"
        result = octavo("inspect", model, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["architecture"], "LlamaForCausalLM")
        result = octavo("tokenize", model, stdin='{"text": "abc ab"}\n')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["ids"], [11, 9])  # the default puts a space before the text
        result = octavo("generate", model, "--prompt", "abc", "--max-tokens", "4", "--temperature", "0", "--ignore-eos", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(json.loads(result.stdout)["ids"]), 4)
        result = octavo("render", model, stdin='{"messages": [{"role": "user", "content": "x"}]}\n')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("<s>x", result.stdout)

    def test_a_damaged_file_is_one_line_of_error(self) -> None:
        whole = (ROOT / "tests" / "data" / "gguf" / "llama.gguf").read_bytes()
        for name, data in (("cut", whole[:5000]), ("short", whole[:-100]), ("empty", b""), ("text", b"not a model")):
            with self.subTest(name=name):
                path = self.work / f"{name}.gguf"
                path.write_bytes(data)
                result = octavo("inspect", path)
                self.assertEqual(result.returncode, 2)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)


def wide_model(folder: Path) -> None:
    """A llama whose rows are whole blocks of 256."""
    folder.mkdir(exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4,
              "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 96, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
              "hidden_act": "silu", "rope_theta": 10000.0}
    (folder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(3)
    tensors = {"model.embed_tokens.weight": (96, 256), "lm_head.weight": (96, 256), "model.norm.weight": (256,)}
    for i in range(2):
        for name, shape in {"self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256), "self_attn.o_proj": (256, 256),
                            "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512), "input_layernorm": (256,),
                            "post_attention_layernorm": (256,)}.items():
            tensors[f"model.layers.{i}.{name}.weight"] = shape
    save_file({name: (random.standard_normal(shape) * 0.06 + (len(shape) == 1)).astype(np.float32) for name, shape in tensors.items()},
              folder / "model.safetensors")


def dequantize_file(source: Path, out: Path) -> None:
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, "llama")
    for key, field in reader.fields.items():
        if key.startswith("llama."):
            value = field.contents()
            add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
            add(key, value)
    for tensor in reader.tensors:
        shape = [int(extent) for extent in reversed(tensor.shape)]
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    unittest.main()
