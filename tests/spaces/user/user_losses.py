"""Losses of a user."""

import torch
from torch import nn
from torch.nn import functional

NUMBER = 0.5


class Focal(nn.Module):
    """A focal loss."""

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, outputs, targets):
        """Returns the mean loss."""
        losses = functional.cross_entropy(outputs, targets, reduction="none")
        return ((1 - torch.exp(-losses)) ** self.gamma * losses).mean()


class Learned(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, outputs, targets):
        """Returns the scaled loss."""
        return self.scale * functional.cross_entropy(outputs, targets)


def both(outputs, targets, weight=1.0):
    """Returns the loss of two outputs."""
    first = functional.mse_loss(outputs["a"], targets[0])
    return first + weight * functional.l1_loss(outputs["b"], targets[1])
