#!/usr/bin/env python3
"""Writes the fixtures of the GGUF reader, with the PyPI `gguf` package (see tests/requirements.txt):

    python tools/make_gguf_fixtures.py

tests/data/gguf/blocks.safetensors: NAME.blocks, random blocks of every format, and NAME.values, what the package makes of
them. tests/data/gguf/llama.gguf: the llama fixture of tests/data/parity with a tokenizer and templates.
tests/corpus/gguf: small files and damaged ones for the fuzz target."""
from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "gguf"))
import convert  # noqa: E402

TYPES = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL, Type.IQ4_XS,
         Type.TQ1_0, Type.TQ2_0, Type.MXFP4]
HALVES = {**convert.SCALES, Type.Q4_0: (0,), Type.Q4_1: (0, 2), Type.Q5_0: (0,), Type.Q5_1: (0, 2), Type.Q8_0: (0,), Type.TQ1_0: (52,), Type.TQ2_0: (64,)}


def blocks(out: Path) -> None:
    random, tensors = np.random.default_rng(7), {}
    for kind in TYPES:
        data = random.integers(0, 256, (4, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for at in HALVES.get(kind, ()):
            scales = (random.standard_normal(4) * 0.1).astype(np.float16)
            data[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
        tensors[f"{kind.name}.blocks"] = data
        tensors[f"{kind.name}.values"] = gguf.quants.dequantize(data, kind).astype(np.float32)
    save_file(tensors, out)


def tokenizer(writer: gguf.GGUFWriter) -> None:
    """Sentencepiece's kind: bytes, letters, and a few pieces with scores."""
    pieces = ["<unk>", "<s>", "</s>"] + ["▁", "a", "b", "c", "▁a", "ab", "▁ab", "abc", "▁abc", "bc"]
    kinds = [2, 3, 3] + [1] * (len(pieces) - 3)
    scores = [0.0, 0.0, 0.0] + [-float(i) for i in range(len(pieces) - 3)]
    while len(pieces) < 96:
        pieces.append(f"<0x{len(pieces):02X}>")
        kinds.append(6)
        scores.append(0.0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    writer.add_token_scores(scores)
    for name, add in ((1, writer.add_bos_token_id), (2, writer.add_eos_token_id), (0, writer.add_unk_token_id)):
        add(name)
    writer.add_chat_template([{"name": "default", "template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"},
                              {"name": "tool_use", "template": "tools"}])


def tiny(out: Path, architecture: str = "llama") -> None:
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(["a", "b", "ab", "<|x|>"])
    writer.add_token_merges(["a b"])
    writer.add_token_types([1, 1, 1, 3])
    writer.add_array("general.tags", [["x", "y"][0]])
    writer.add_tensor("token_embd.weight", gguf.quants.quantize(np.ones((4, 32), np.float32), Type.Q4_0), raw_dtype=Type.Q4_0)
    writer.add_tensor("output_norm.weight", np.ones(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def corpus(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tiny(folder / "tiny.gguf")
    tiny(folder / "gemma3.gguf", "gemma3")
    tiny(folder / "unknown.gguf", "ark")
    whole = (folder / "tiny.gguf").read_bytes()
    at = whole.index(b"token_embd.weight")
    damaged = {
        "cut.gguf": whole[:len(whole) // 2], "magic.gguf": b"GGML" + whole[4:], "version.gguf": whole[:4] + b"\x01" + whole[5:],
        "big_endian.gguf": whole[:4] + b"\0\0\0\x03" + whole[8:], "keys.gguf": whole[:16] + b"\xff" * 8 + whole[24:],
        "tensors.gguf": whole[:8] + b"\xff" * 7 + b"\x7f" + whole[16:], "shape.gguf": whole[:at + 21] + b"\xff" * 8 + whole[at + 29:],
        "offset.gguf": whole[:at + 41] + b"\xff" * 8 + whole[at + 49:], "type.gguf": whole[:at + 37] + b"\x10" + whole[at + 38:],
        "no_data.gguf": whole[:-64],
    }
    for name, data in damaged.items():
        (folder / name).write_bytes(data)


def main() -> None:
    data = ROOT / "tests" / "data" / "gguf"
    data.mkdir(parents=True, exist_ok=True)
    blocks(data / "blocks.safetensors")
    convert.Converter(ROOT / "tests" / "data" / "parity" / "llama").write(data / "llama.gguf", Type.F32, tokenizer)
    corpus(ROOT / "tests" / "corpus" / "gguf")


if __name__ == "__main__":
    main()
