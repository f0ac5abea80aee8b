#!/usr/bin/env python3
"""Writes a GGUF file from a small checkpoint directory, with the PyPI `gguf` package: for tests only.

    python tests/gguf/convert.py DIRECTORY FILE.gguf [--type F16]

Does what converters do to a checkpoint: their names, their order of the rows of q and k, Gemma's norms with 1 added, Llama 3's
frequencies as a tensor of factors. Types that the package cannot quantize (Q2_K to Q6_K, ...) get random blocks of sane scales:
good for comparing readers, not for quality. Matrices whose rows are no multiple of the block fall back to F16, as elsewhere."""
from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf.constants import GGML_QUANT_SIZES

# model_type: (general.architecture, whether rows of q and k are reordered, what is added to norms)
ARCHITECTURES = {
    "llama": ("llama", True, 0), "mistral": ("llama", True, 0), "qwen2": ("qwen2", False, 0), "qwen3": ("qwen3", False, 0),
    "gemma": ("gemma", False, 1), "gemma2": ("gemma2", False, 1), "gemma3_text": ("gemma3", False, 1), "phi3": ("phi3", False, 0),
    "gpt2": ("gpt2", False, 0), "gpt_neox": ("gptneox", False, 0),
}
TOP = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm",
    "embed_in": "token_embd", "final_layer_norm": "output_norm", "embed_out": "output",
}
LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate_up_proj": "ffn_up",
    "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "attention.query_key_value": "attn_qkv", "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}
SANDWICH = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
# Where a block keeps its f16 scales, for random ones.
FACTOR_RANGE = {Type.Q6_K: 1 / 16, Type.IQ4_XS: 1 / 16}  # where the groups' factors are large
SCALES = {Type.Q2_K: (80, 82), Type.Q3_K: (108,), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,), Type.IQ4_NL: (0,), Type.IQ4_XS: (0,)}


def load(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    tensors: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.safetensors")):
        if file.name != "reference.safetensors":
            tensors |= load_file(file)
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def new_name(name: str, sandwich: bool) -> str | None:
    parts = name.split(".")
    suffix = parts[-1]
    digits = [i for i, part in enumerate(parts) if part.isdigit()]
    if not digits:
        top = TOP.get(parts[-2])
        return f"{top}.{suffix}" if top else None
    block = ".".join(parts[digits[0] + 1:-1])
    found = (SANDWICH.get(block) if sandwich else None) or LAYER.get(block)
    return f"blk.{parts[digits[0]]}.{found}.{suffix}" if found else None


def reorder(rows: np.ndarray, heads: int) -> np.ndarray:
    size = rows.shape[0] // heads
    return rows.reshape(heads, 2, size // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def split_heads(rows: np.ndarray, heads: int) -> np.ndarray:
    """[head: q, k, v] to [all q, all k, all v]."""
    return rows.reshape(heads, 3, -1, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def random_blocks(shape: tuple[int, ...], kind: Type, seed: int) -> np.ndarray:
    elements, size = GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (math.prod(shape) // elements, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scales = ((random.random(len(blocks)) * 0.00125 + 1e-4) * FACTOR_RANGE.get(kind, 1)).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(*shape[:-1], -1)


def encode(tensor: np.ndarray, kind: Type, seed: int) -> tuple[np.ndarray, Type]:
    elements, _ = GGML_QUANT_SIZES[kind]
    if tensor.ndim < 2 or kind == Type.F32:
        return tensor.astype(np.float32), Type.F32
    if tensor.shape[-1] % elements != 0:
        return tensor.astype(np.float16), Type.F16
    if kind in SCALES:
        return random_blocks(tensor.shape, kind, seed), kind
    return gguf.quants.quantize(tensor, kind), kind


class Converter:
    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.tensors = load(folder)
        self.architecture, self.reordered, self.offset = ARCHITECTURES[self.config["model_type"]]

    def field(self, *names: str, otherwise=None):
        return next((self.config[name] for name in names if self.config.get(name) is not None), otherwise)

    def rope(self) -> dict:
        parameters = self.config.get("rope_parameters") or self.config.get("rope_scaling") or {}
        return parameters.get("full_attention", parameters)

    def head_dim(self) -> int:
        return self.field("head_dim", otherwise=self.field("hidden_size", "n_embd") // self.heads())

    def heads(self) -> int:
        return self.field("num_attention_heads", "n_head")

    def metadata(self, writer: gguf.GGUFWriter) -> None:
        hidden = self.field("hidden_size", "n_embd")
        writer.add_context_length(self.field("max_position_embeddings", "n_positions"))
        writer.add_embedding_length(hidden)
        writer.add_block_count(self.field("num_hidden_layers", "n_layer"))
        writer.add_feed_forward_length(self.field("intermediate_size", "n_inner", otherwise=4 * hidden))
        writer.add_head_count(self.heads())
        writer.add_head_count_kv(self.field("num_key_value_heads", otherwise=self.heads()))
        if "head_dim" in self.config:
            writer.add_key_length(self.head_dim())
            writer.add_value_length(self.head_dim())
        if "rms_norm_eps" in self.config:
            writer.add_layer_norm_rms_eps(self.config["rms_norm_eps"])
        else:
            writer.add_layer_norm_eps(self.field("layer_norm_eps", "layer_norm_epsilon"))
        theta = self.rope().get("rope_theta") or self.field("rope_theta", "rotary_emb_base")
        if theta:
            writer.add_rope_freq_base(float(theta))
        partial = self.rope().get("partial_rotary_factor") or self.field("partial_rotary_factor", "rotary_pct")
        if partial:
            writer.add_rope_dimension_count(int(self.head_dim() * partial))
        if self.config["model_type"] == "gpt_neox":
            writer.add_parallel_residual(self.config["use_parallel_residual"])
        self.window(writer)
        self.scaling(writer)

    def window(self, writer: gguf.GGUFWriter) -> None:
        kinds = self.config.get("layer_types") or []
        if self.config.get("sliding_window") and (not kinds or "sliding_attention" in kinds):
            writer.add_sliding_window(self.config["sliding_window"])
            if kinds:  # a list tells any pattern
                writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in kinds])
        for key, add in (("attn_logit_softcapping", writer.add_attn_logit_softcapping), ("final_logit_softcapping", writer.add_final_logit_softcapping)):
            if self.config.get(key):
                add(self.config[key])
        if self.config.get("query_pre_attn_scalar"):
            writer.add_attention_scale(self.config["query_pre_attn_scalar"] ** -0.5)

    def scaling(self, writer: gguf.GGUFWriter) -> None:
        rope = self.rope()
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind in ("linear", "yarn"):
            writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
            writer.add_rope_scaling_factor(rope["factor"])
            if kind == "yarn":
                writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        elif kind == "longrope":
            trained, limit = self.field("original_max_position_embeddings", otherwise=rope.get("original_max_position_embeddings")), self.config["max_position_embeddings"]
            writer.add_rope_scaling_orig_ctx_len(trained)
            writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(limit / trained) / math.log(trained)))
            for name in ("long", "short"):
                writer.add_tensor(f"rope_factors_{name}.weight", np.array(rope[f"{name}_factor"], np.float32))
        elif kind == "llama3":
            writer.add_tensor("rope_freqs.weight", self.llama3(rope))
        elif kind != "default":
            raise SystemExit(f"rope scaling {kind} has no form in GGUF")

    def llama3(self, rope: dict) -> np.ndarray:
        dim, factors = self.head_dim(), []
        trained, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
        for i in range(0, dim, 2):
            wave = 2 * math.pi * (rope.get("rope_theta") or self.config["rope_theta"]) ** (i / dim)
            smooth = min(1.0, max(0.0, (trained / wave - low) / (high - low)))
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
        return np.array(factors, np.float32)

    def tensor(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.config["model_type"] == "gpt2" and values.ndim == 2 and ".h." in f".{name}":
            values = np.ascontiguousarray(values.T)
        if "query_key_value" in name:
            values = split_heads(values, self.heads())
        if self.reordered and ".q_proj." in name:
            values = reorder(values, self.heads())
        if self.reordered and ".k_proj." in name:
            values = reorder(values, self.field("num_key_value_heads", otherwise=self.heads()))
        return values + self.offset if name.endswith("norm.weight") else values

    def write(self, out: Path, kind: Type, extra=None, split: int = 0, unpacked: bool = False) -> None:
        """`unpacked`: F32 with the values that the type would hold."""
        writer = gguf.GGUFWriter(out, self.architecture, split_max_tensors=split)
        self.metadata(writer)
        if extra:
            extra(writer)
        sandwich = any("pre_feedforward" in name for name in self.tensors)
        for i, (name, values) in enumerate(sorted(self.tensors.items())):
            renamed = new_name(name, sandwich)
            if renamed is None:
                raise SystemExit(f"no place for {name}")
            tensor = self.tensor(name, values)
            data, stored = encode(tensor, kind, i)
            if unpacked:
                data, stored = gguf.quants.dequantize(data, stored).astype(np.float32).reshape(tensor.shape), Type.F32
            writer.add_tensor(renamed, np.ascontiguousarray(data), raw_dtype=stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--type", default="F32", choices=[kind.name for kind in Type])
    arguments = parser.parse_args()
    Converter(arguments.directory).write(arguments.out, Type[arguments.type])


if __name__ == "__main__":
    main()
