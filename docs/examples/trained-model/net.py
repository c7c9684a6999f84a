"""A network of your own, as train.py trains it and a study uses it."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns features of the same shape [B, C, H, W]."""
        return torch.relu(x + self.body(x))


class Net(nn.Module):
    """Takes images [B, 3, H, W] and returns logits [B, classes]."""

    def __init__(self, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.first = Block(width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.second = Block(2 * width)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns logits [B, classes]."""
        x = self.first(torch.relu(self.stem(x)))
        x = self.second(torch.relu(self.down(x)))
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits
