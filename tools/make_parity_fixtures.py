#!/usr/bin/env python3
"""Writes tests/data/parity: tiny checkpoints of each family with the logits that transformers computes for them.

Needs torch and transformers (not installed for the tests; the fixtures are committed):
    python tools/make_parity_fixtures.py tests/data/parity
Weights are random and seeded; norms, biases and embeddings too, so that an ignored tensor shows. The prompt is longer than
every window and every trained length used here. One file a case holds ids, logits and, as a JSON string in the
metadata, nothing else: config.json and model.safetensors lie beside it as a hub would have them."""
from __future__ import annotations

import copy
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
GPT2 = dict(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=48, bos_token_id=1, eos_token_id=2)
FALCON = dict(vocab_size=96, hidden_size=32, ffn_hidden_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
OPT = dict(vocab_size=96, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, word_embed_proj_dim=32)


def without(fields: dict, key: str) -> dict:
    return {k: v for k, v in fields.items() if k != key}


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
    "apertus": ("ApertusConfig", {**SMALL, "rope_theta": 10000.0, "rope_scaling": None, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}),
    "arcee": ("ArceeConfig", {**SMALL, "mlp_bias": True}),
    "biogpt": ("BioGptConfig", without(SMALL, "num_key_value_heads")),
    "bitnet": ("BitNetConfig", SMALL),
    "bloom": ("BloomConfig", dict(vocab_size=96, hidden_size=36, n_layer=2, n_head=6, bos_token_id=1, eos_token_id=2)),
    "bloom-normed-residual": ("BloomConfig", dict(vocab_size=96, hidden_size=32, n_layer=2, n_head=4, apply_residual_connection_post_layernorm=True, bos_token_id=1, eos_token_id=2)),
    "codegen": ("CodeGenConfig", {**GPT2, "n_embd": 64, "rotary_dim": 8, "tie_word_embeddings": False}),
    "cohere": ("CohereConfig", {**SMALL, "use_qk_norm": True, "logit_scale": 0.25}),
    "cohere2": ("Cohere2Config", {**SMALL, "head_dim": 16, "num_hidden_layers": 4, "sliding_window": 8, "logit_scale": 0.25}),
    "ernie4_5": ("Ernie4_5Config", {**SMALL, "head_dim": 16, "use_bias": True}),
    "exaone4": ("Exaone4Config", {**SMALL, "num_hidden_layers": 4, "sliding_window": 8, "sliding_window_pattern": 4}),
    "exaone4-full": ("Exaone4Config", {**SMALL, "sliding_window": None, "layer_types": ["full_attention"] * 2}),
    "falcon-7b": ("FalconConfig", {**FALCON, "multi_query": True, "parallel_attn": True}),
    "falcon-40b": ("FalconConfig", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-11b": ("FalconConfig", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1}),
    "falcon-rw": ("FalconConfig", {**FALCON, "multi_query": False, "parallel_attn": False, "bias": True, "alibi": True}),
    "glm": ("GlmConfig", {**SMALL, "head_dim": 16}),
    "glm4": ("Glm4Config", {**SMALL, "head_dim": 16}),
    "gpt_bigcode": ("GPTBigCodeConfig", {**GPT2, "multi_query": True}),
    "gpt_bigcode-heads": ("GPTBigCodeConfig", {**GPT2, "multi_query": False}),
    "gpt_neo": ("GPTNeoConfig", dict(vocab_size=96, hidden_size=32, num_layers=2, num_heads=4, intermediate_size=48, max_position_embeddings=64, window_size=8, attention_types=[[["global", "local"], 1]], bos_token_id=1, eos_token_id=2)),
    "gptj": ("GPTJConfig", {**GPT2, "rotary_dim": 4, "tie_word_embeddings": False}),
    "granite": ("GraniteConfig", {**SMALL, "attention_multiplier": 0.1, "embedding_multiplier": 6.0, "residual_multiplier": 0.4, "logits_scaling": 0.5}),
    "helium": ("HeliumConfig", {**SMALL, "head_dim": 8}),
    "hunyuan": ("HunYuanDenseV1Config", {**SMALL, "head_dim": 16, "rope_scaling": {"type": "dynamic", "alpha": 50.0, "factor": 1.0}}),
    "jais2": ("Jais2Config", {**SMALL, "head_dim": 8}),
    "ministral": ("MinistralConfig", {**SMALL, "head_dim": 16, "sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}),
    "ministral3": ("Ministral3Config", {**SMALL, "head_dim": 16, "sliding_window": None, "rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 16, "llama_4_scaling_beta": 0.3}}),
    "mpt": ("MptConfig", dict(vocab_size=96, d_model=32, n_heads=4, n_layers=2, max_seq_len=64, tie_word_embeddings=True, attn_config={"alibi": True, "clip_qkv": 1.5, "softmax_scale": 0.2})),
    "mpt-6-heads": ("MptConfig", dict(vocab_size=96, d_model=36, n_heads=6, n_layers=2, max_seq_len=64, tie_word_embeddings=True)),
    "nemotron": ("NemotronConfig", {**SMALL, "head_dim": 16, "mlp_bias": True}),
    "olmo": ("OlmoConfig", {**SMALL, "clip_qkv": 1.0}),
    "olmo2": ("Olmo2Config", SMALL),
    "olmo3": ("Olmo3Config", {**SMALL, "num_hidden_layers": 4, "sliding_window": 8}),  # versions disagree about its scaled rope
    "opt": ("OPTConfig", OPT),
    "opt-350m": ("OPTConfig", {**OPT, "do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    "opt-galactica": ("OPTConfig", {**OPT, "enable_bias": False, "layer_norm_elementwise_affine": False, "activation_function": "gelu"}),
    "persimmon": ("PersimmonConfig", {**without(SMALL, "num_key_value_heads"), "hidden_act": "relu2", "qk_layernorm": True}),
    "phi": ("PhiConfig", {**SMALL, "qk_layernorm": True}),
    "seed_oss": ("SeedOssConfig", {**SMALL, "head_dim": 16}),
    "smollm3": ("SmolLM3Config", {**SMALL, "num_hidden_layers": 4, "use_sliding_window": True, "sliding_window": 8}),
    "stablelm": ("StableLmConfig", {**SMALL, "use_qkv_bias": True}),
    "stablelm-12b": ("StableLmConfig", {**SMALL, "use_parallel_residual": True, "qk_layernorm": True}),
    "starcoder2": ("Starcoder2Config", {**SMALL, "sliding_window": 8}),
    "xglm": ("XGLMConfig", dict(vocab_size=96, d_model=32, ffn_dim=48, num_layers=2, attention_heads=4, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)),
    "gpt_neox-serial": ("GPTNeoXConfig", {**{k: v for k, v in SMALL.items() if k != "num_key_value_heads"}, "rotary_pct": 1.0, "use_parallel_residual": False}),
}
# The first families keep float32 weights; the later ones are stored in half of that.
HALF_FROM = list(CASES).index("apertus")
# The eager path of transformers adds Falcon's ALiBi twice.
SDPA = {"falcon-rw"}
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
    attention = "sdpa" if name in SDPA else "eager"
    config._attn_implementation = attention
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
    randomize(model)
    half = list(CASES).index(name) >= HALF_FROM and name != "gpt_neox-serial"
    if half:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(parameter.half().float())
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    reference = model
    if half:
        model = copy.deepcopy(model).half()
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    ids = torch.randint(3, 96, (1, TOKENS))
    with torch.no_grad():
        logits = reference(ids).logits[0].float().contiguous()
    save_file({"ids": ids[0].contiguous(), "logits": logits}, folder / "reference.safetensors")
    print(f"{name:20s} spread {logits.std():.3f}")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for case in sys.argv[2:] or CASES:
        make(case, target)
