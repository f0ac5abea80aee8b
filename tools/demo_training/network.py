"""A Llama-architecture decoder in plain PyTorch whose parameter names are those of the checkpoint.

Letters of the shapes: b sequences, t tokens of a sequence, e head size, v vocabulary.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass(frozen=True)
class Shape:
    vocabulary: int = 960
    hidden: int = 256
    ffn: int = 768
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    head_size: int = 64
    context: int = 1024
    rope_theta: float = 10000.0
    epsilon: float = 1e-5


class RmsNorm(nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotation(shape, length):
    """cos and sin, each [t, e]; the halves of a head rotate together, as in Llama checkpoints."""
    step = torch.arange(0, shape.head_size, 2, dtype=torch.float32) / shape.head_size
    angle = torch.outer(torch.arange(length, dtype=torch.float32), shape.rope_theta**-step)
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-high, low), dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
        self.q_proj = nn.Linear(shape.hidden, queries, bias=False)
        self.k_proj = nn.Linear(shape.hidden, keys, bias=False)
        self.v_proj = nn.Linear(shape.hidden, keys, bias=False)
        self.o_proj = nn.Linear(queries, shape.hidden, bias=False)

    def forward(self, x, cos, sin):
        s = self.shape
        b, t, _ = x.shape
        q = self.q_proj(x).view(b, t, s.heads, s.head_size).transpose(1, 2)
        k = self.k_proj(x).view(b, t, s.kv_heads, s.head_size).transpose(1, 2)
        v = self.v_proj(x).view(b, t, s.kv_heads, s.head_size).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        repeat = s.heads // s.kv_heads
        k, v = k.repeat_interleave(repeat, dim=1), v.repeat_interleave(repeat, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.ffn, bias=False)
        self.down_proj = nn.Linear(shape.ffn, shape.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden, shape.epsilon)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RmsNorm(shape.hidden, shape.epsilon)
        self.mlp = Mlp(shape)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden, shape.epsilon)


class Network(nn.Module):
    """tokens [b, t] -> logits [b, t, v] and hidden states [b, t, hidden] of layer MIDDLE.

    Embedding and head are separate matrices.
    """

    MIDDLE = 4

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        self.lm_head = nn.Linear(shape.hidden, shape.vocabulary, bias=False)
        cos, sin = rotation(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialize()

    def _initialize(self):
        """Layers begin as the identity on embeddings large enough not to drown in their outputs."""
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)
            elif name.endswith("embed_tokens.weight"):
                nn.init.normal_(parameter, std=0.5)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens):
        t = tokens.shape[1]
        x = self.model.embed_tokens(tokens)
        cos, sin = self.cos[:t].to(x.dtype), self.sin[:t].to(x.dtype)
        for index, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin)
            if index == self.MIDDLE:
                middle = x
        return self.lm_head(self.model.norm(x)), middle
