"""Predicts the state of a tale from hidden states while the model is trained."""

import torch.nn.functional as F
from demo_language import tracking
from demo_training.network import RmsNorm
from torch import nn


class Probe(nn.Module):
    """Reads the targets from hidden states; belongs to the training, not to the model."""

    def __init__(self, shape):
        super().__init__()
        self.norm = RmsNorm(shape.hidden, shape.epsilon)
        self.classes = nn.Linear(shape.hidden, tracking.SLOTS * tracking.CLASSES)

    def loss(self, hidden, targets):
        """Mean nats of the known targets; hidden [b, t, hidden], targets [b, t, slots]."""
        targets = targets.flatten(0, 1)
        asked = (targets != tracking.UNKNOWN).any(dim=1)
        logits = self.classes(self.norm(hidden.flatten(0, 1)[asked].float()))
        return F.cross_entropy(
            logits.view(-1, tracking.CLASSES), targets[asked].flatten(), ignore_index=tracking.UNKNOWN
        )
