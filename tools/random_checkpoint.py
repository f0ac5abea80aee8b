#!/usr/bin/env python3
"""Writes a checkpoint of random weights in Hugging Face layout: a model of a real model's shape, for speed and memory, not for sense.

    tools/random_checkpoint.py OUT --preset qwen2-0.5b
    tools/random_checkpoint.py OUT --family llama --hidden 64 --layers 2 --heads 4 --kv-heads 2 --ffn 128 --vocab 512 --dtype float32

A preset gives every field, flags change single ones. The same seed and shape give the same bytes. Needs numpy. The folder gets config.json,
generation_config.json, model.safetensors, and a byte-level tokenizer whose ids fill the vocabulary: the 256 bytes, then words of small
letters that merges build up, then the special tokens. Biases are small, norms are 1, matrices keep the size of what goes through them."""
from __future__ import annotations

import argparse
import itertools
import json
import math
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

ARCHITECTURES = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
CHAT_TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
                 "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
CHUNK = 1 << 22   # elements drawn at a time


@dataclass(frozen=True)
class Shape:
    family: str = "llama"
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    ffn: int = 128
    vocab: int = 512
    positions: int = 4096
    rope_theta: float = 10000.0
    tied: bool = False
    dtype: str = "bfloat16"


PRESETS = {
    "tiny": Shape(),
    "qwen2-0.5b": Shape("qwen2", hidden=896, layers=24, heads=14, kv_heads=2, head_dim=64, ffn=4864, vocab=151936, positions=32768,
                        rope_theta=1e6, tied=True),
    "llama-1.1b": Shape("llama", hidden=2048, layers=22, heads=32, kv_heads=4, head_dim=64, ffn=5632, vocab=32000, positions=2048),
}


def tensors(s: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes in the order of the file."""
    yield "model.embed_tokens.weight", (s.vocab, s.hidden)
    q, kv = s.heads * s.head_dim, s.kv_heads * s.head_dim
    for i in range(s.layers):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (s.hidden,)
        for name, out in (("q", q), ("k", kv), ("v", kv)):
            yield f"{layer}self_attn.{name}_proj.weight", (out, s.hidden)
            if s.family == "qwen2":
                yield f"{layer}self_attn.{name}_proj.bias", (out,)
        if s.family == "qwen3":
            for name in ("q_norm", "k_norm"):
                yield f"{layer}self_attn.{name}.weight", (s.head_dim,)
        yield layer + "self_attn.o_proj.weight", (s.hidden, q)
        yield layer + "post_attention_layernorm.weight", (s.hidden,)
        yield layer + "mlp.gate_proj.weight", (s.ffn, s.hidden)
        yield layer + "mlp.up_proj.weight", (s.ffn, s.hidden)
        yield layer + "mlp.down_proj.weight", (s.hidden, s.ffn)
    yield "model.norm.weight", (s.hidden,)
    if not s.tied:
        yield "lm_head.weight", (s.vocab, s.hidden)


class Draw:
    """Normal numbers as raw elements of the dtype. A 16-bit random number chooses one of 65536 quantiles: ten times as fast as drawing
    a normal number, and a benchmark cannot tell the difference."""

    def __init__(self, dtype: str, seed: int) -> None:
        self.dtype, self.random = dtype, np.random.default_rng(seed)
        normal = NormalDist()
        self.quantiles = np.array([normal.inv_cdf((i + 0.5) / 65536) for i in range(65536)], np.float32)

    def encode(self, values: np.ndarray) -> np.ndarray:
        if self.dtype == "bfloat16":
            bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
            return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
        return values.astype(np.float16 if self.dtype == "float16" else np.float32)

    def chunks(self, name: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
        count = math.prod(shape)
        if name.endswith("norm.weight"):
            yield self.encode(np.ones(count, np.float32))
            return
        scale = 0.02 if len(shape) == 1 or "embed_tokens" in name else shape[1] ** -0.5
        table = self.encode(self.quantiles * np.float32(scale))
        for begin in range(0, count, CHUNK):
            yield table[self.random.integers(0, 65536, min(CHUNK, count - begin), np.uint16)]


def write_weights(path: Path, s: Shape, seed: int) -> int:
    size = 4 if s.dtype == "float32" else 2
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors(s):
        begin, end = end, end + math.prod(shape) * size
        header[name] = {"dtype": DTYPES[s.dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    draw = Draw(s.dtype, seed)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors(s):
            for chunk in draw.chunks(name, shape):
                file.write(memoryview(chunk).cast("B"))
    return end


def config(s: Shape) -> dict[str, Any]:
    end = s.vocab - len(SPECIALS)
    found = {"architectures": [ARCHITECTURES[s.family]], "model_type": s.family, "hidden_size": s.hidden, "intermediate_size": s.ffn,
             "num_hidden_layers": s.layers, "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "head_dim": s.head_dim,
             "vocab_size": s.vocab, "max_position_embeddings": s.positions, "rope_theta": s.rope_theta, "rms_norm_eps": 1e-6,
             "hidden_act": "silu", "tie_word_embeddings": s.tied, "torch_dtype": s.dtype, "bos_token_id": end, "eos_token_id": end + 2}
    if s.family in ("llama", "qwen3"):
        found["attention_bias"] = False
    if s.family.startswith("qwen"):
        found["use_sliding_window"] = False
    if s.family == "mistral":
        found["sliding_window"] = None
    return found


def byte_characters() -> list[str]:
    """The character that a byte-level vocabulary writes for each byte: printable ones stand for themselves, the others follow from 256."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(256)
    return [chr(b if b in printable else next(others)) for b in range(256)]


def words(count: int) -> Iterator[tuple[str, str]]:
    """`count` merges, each of an older token and one letter: all words of two letters, of three, ...; each also with a space before."""
    space = byte_characters()[ord(" ")]
    older = [*LETTERS, space]
    while count > 0:
        made = list(itertools.islice(itertools.product(older, LETTERS), count))
        yield from made
        count -= len(made)
        older = [left + right for left, right in made]


def tokenizer(s: Shape) -> dict[str, Any]:
    merges = list(words(s.vocab - 256 - len(SPECIALS)))
    vocab = {token: i for i, token in enumerate([*byte_characters(), *(a + b for a, b in merges)])}
    first = s.vocab - len(SPECIALS)
    added = [{"id": first + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, token in enumerate(SPECIALS)]
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": step,
            "post_processor": None, "decoder": step,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab,
                      "merges": [f"{a} {b}" for a, b in merges]}}


def check(s: Shape) -> None:
    if s.vocab < 256 + len(SPECIALS):
        raise ValueError(f"--vocab is less than {256 + len(SPECIALS)}, the bytes and the special tokens")
    if s.family not in ARCHITECTURES or s.dtype not in DTYPES:
        raise ValueError("unknown family or dtype")
    if min(s.hidden, s.layers, s.heads, s.kv_heads, s.head_dim, s.ffn, s.positions) < 1 or s.heads % s.kv_heads or s.head_dim % 2:
        raise ValueError("sizes are 1 or more, --kv-heads divides --heads, --head-dim is even")


def write(folder: Path, s: Shape, seed: int = 1) -> int:
    """Writes the checkpoint into `folder`, which it makes; bytes of weights. ValueError: there is no such model."""
    check(s)
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, value: dict[str, Any]) -> None:
        (folder / name).write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
    save("config.json", config(s))
    save("generation_config.json", {"bos_token_id": s.vocab - 3, "eos_token_id": [s.vocab - 1, s.vocab - 3], "do_sample": False})
    save("tokenizer.json", tokenizer(s))
    save("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": SPECIALS[2],
                                   "model_max_length": s.positions, "chat_template": CHAT_TEMPLATE})
    return write_weights(folder / "model.safetensors", s, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--preset", choices=PRESETS, default="tiny")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", choices=ARCHITECTURES)
    parser.add_argument("--dtype", choices=DTYPES)
    parser.add_argument("--tied", action=argparse.BooleanOptionalAction, help="the head is the embedding")
    parser.add_argument("--rope-theta", type=float)
    sizes = [f.name for f in fields(Shape) if f.type == "int"]
    for name in sizes:
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    args = parser.parse_args()
    given = {f.name: getattr(args, f.name) for f in fields(Shape) if getattr(args, f.name) is not None}
    try:
        size = write(args.out, replace(PRESETS[args.preset], **given), args.seed)
    except ValueError as wrong:
        parser.error(str(wrong))
    print(f"{args.out}: {size / 1e6:.1f} MB of weights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
