"""Muon for the matrices of the layers, AdamW for embedding, head and norms."""

import torch

_MATRICES, _EMBEDDING, _OTHERS = 2e-3, 5e-3, 2e-3  # full rates


def build(network, probe):
    """Two optimizers, the second of the probe as well; each group keeps its full rate as "peak"."""
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        if name.startswith("model.layers.") and parameter.ndim == 2:
            matrices.append(parameter)
        elif not name.startswith("model.embed_tokens."):
            others.append(parameter)
    # Decay bounds the matrices: without it attention scores grow until they are as good as hard
    # choices, and learning stalls.
    muon = torch.optim.Muon(
        [{"params": matrices, "peak": _MATRICES}],
        lr=_MATRICES,
        momentum=0.95,
        weight_decay=0.1,
        ns_steps=4,
        adjust_lr_fn="match_rms_adamw",
    )
    groups = [
        {"params": list(network.model.embed_tokens.parameters()), "peak": _EMBEDDING},
        {"params": others, "peak": _OTHERS},
        {"params": list(probe.parameters()), "peak": _OTHERS},
    ]
    return muon, torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)


def set_rate(optimizers, factor):
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
