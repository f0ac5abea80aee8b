"""Muon for the matrices of the layers, AdamW for embedding, head and norms."""

import torch

_MATRIX_RATE = 5e-3
_VECTOR_RATE = 3e-3


def build(network):
    """Two optimizers; each group remembers its full rate in "peak"."""
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        in_layer = name.startswith("model.layers.") and parameter.ndim == 2
        (matrices if in_layer else others).append(parameter)
    muon = torch.optim.Muon(
        matrices, lr=_MATRIX_RATE, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(others, lr=_VECTOR_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return muon, adam


def set_rate(optimizers, factor):
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
