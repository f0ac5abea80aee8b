"""Writes the model folder: config, tokenizer, chat template and bfloat16 weights."""

import json

import torch
from demo_language import chat
from safetensors.torch import save_file


def _write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _ids(*tokens):
    return [chat.SPECIAL_TOKENS.index(t) for t in tokens]


def _config(shape):
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.rope_theta,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": _ids(chat.BOS)[0],
        "eos_token_id": _ids(chat.EOS, chat.END),
        "pad_token_id": _ids(chat.PAD)[0],
    }


def _generation_config():
    return {
        "bos_token_id": _ids(chat.BOS)[0],
        "eos_token_id": _ids(chat.EOS, chat.END),
        "pad_token_id": _ids(chat.PAD)[0],
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 40,
        "top_p": 0.95,
        "max_new_tokens": 256,
    }


def _tokenizer_config(shape):
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": chat.BOS,
        "eos_token": chat.END,
        "pad_token": chat.PAD,
        "additional_special_tokens": [chat.EOS, chat.SYSTEM, chat.USER, chat.ASSISTANT],
        "clean_up_tokenization_spaces": False,
        "model_max_length": shape.context,
        "chat_template": chat.TEMPLATE,
    }


def export(network, tokenizer, folder):
    folder.mkdir(parents=True, exist_ok=True)
    shape = network.shape
    _write_json(folder / "config.json", _config(shape))
    _write_json(folder / "generation_config.json", _generation_config())
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(shape))
    tokenizer.save(str(folder / "tokenizer.json"))
    weights = {
        name: p.detach().to(torch.bfloat16).contiguous() for name, p in network.named_parameters()
    }
    path = folder / "model.safetensors"
    save_file(weights, str(path), metadata={"format": "pt"})
    path.chmod(0o644)
