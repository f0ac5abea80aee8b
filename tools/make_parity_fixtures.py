#!/usr/bin/env python3
"""Writes tests/data/parity: tiny checkpoints of each family with the logits that transformers computes for them.

Needs torch and transformers (not installed for the tests; the fixtures are committed):
    python tools/make_parity_fixtures.py tests/data/parity
Weights are random and seeded; norms, biases and embeddings too, so that an ignored tensor shows. The prompt is longer than
every window and every trained length used here. One file a case holds ids, logits and, as a JSON string in the
metadata, nothing else: config.json and model.safetensors lie beside it as a hub would have them."""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

SMALL = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None)
GEMMA = {**SMALL, "head_dim": 16, "num_hidden_layers": 3, "query_pre_attn_scalar": 12, "sliding_window": 8}
CASES = {
    "llama": ("LlamaConfig", {**SMALL, "attention_bias": True, "mlp_bias": True}),
    "llama-linear": ("LlamaConfig", {**SMALL, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "llama-dynamic": ("LlamaConfig", {**SMALL, "max_position_embeddings": 16, "rope_scaling": {"rope_type": "dynamic", "factor": 4.0}}),
    "llama-yarn": ("LlamaConfig", {**SMALL, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}),
    "llama-llama3": ("LlamaConfig", {**SMALL, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}}),
    "mistral": ("MistralConfig", {**SMALL, "sliding_window": 8}),
    "qwen2": ("Qwen2Config", {**SMALL, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", {**SMALL, "head_dim": 16}),
    "gemma": ("GemmaConfig", {**SMALL, "head_dim": 16, "hidden_act": "gelu_pytorch_tanh"}),
    "gemma2": ("Gemma2Config", {**GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3TextConfig", {**GEMMA, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}),
    "phi3": ("Phi3Config", {**SMALL, "sliding_window": 8}),
    "phi3-longrope": ("Phi3Config", {**SMALL, "original_max_position_embeddings": 16, "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.6], "long_factor": [1.0, 2.0, 4.0, 8.0]}}),
    "gpt2": ("GPT2Config", dict(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=48, bos_token_id=1, eos_token_id=2)),
    "gpt_neox": ("GPTNeoXConfig", {**{k: v for k, v in SMALL.items() if k != "num_key_value_heads"}, "rotary_pct": 0.5}),
    "gpt_neox-serial": ("GPTNeoXConfig", {**{k: v for k, v in SMALL.items() if k != "num_key_value_heads"}, "rotary_pct": 1.0, "use_parallel_residual": False}),
}
TOKENS = 40


def randomize(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            center = 1.0 if parameter.dim() == 1 and "norm" in name.lower() and "gemma" not in type(model).__name__.lower() else 0.0
            parameter.copy_(center + torch.randn(parameter.shape) * (0.2 if parameter.dim() == 1 else 0.25))


def make(name: str, out: Path) -> None:
    torch.manual_seed(sum(name.encode()))
    kind, fields = CASES[name]
    config = getattr(transformers, kind)(**fields)
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomize(model)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    ids = torch.randint(3, 96, (1, TOKENS))
    with torch.no_grad():
        logits = model(ids).logits[0].float().contiguous()
    save_file({"ids": ids[0].contiguous(), "logits": logits}, folder / "reference.safetensors")
    print(f"{name:20s} spread {logits.std():.3f}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for case in CASES:
        make(case, target)
