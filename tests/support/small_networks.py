"""Small networks of a user's own, with what checkpoints differ in: buffers, ties, versions."""

from __future__ import annotations

import torch
from torch import nn

SHAPE = (1, 8, 8)


class Stem(nn.Sequential):
    """A convolution with batch normalization."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())


class Small(nn.Module):
    """Two parts, a constant mask of -inf and a buffer that is not stored."""

    def __init__(self, classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.stem = Stem()
        self.head = nn.Linear(width, classes)
        self.register_buffer("mask", torch.triu(torch.full((3, 3), float("-inf")), 1))
        self.register_buffer("positions", torch.arange(4), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, 1, H, W] -> logits [B, classes]."""
        logits: torch.Tensor = self.head(self.stem(images).mean((2, 3)))
        return logits


class Tied(nn.Module):
    """Two names of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False)
        self.second = nn.Linear(8, 8, bias=False)
        self.second.weight = self.first.weight


class Renamed(nn.Module):
    """A module that translates a name of its first version, as torch's own modules do."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.fc = nn.Linear(4, 2)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):  # type: ignore[no-untyped-def]
        if (local_metadata.get("version") or 1) < 2 and f"{prefix}gamma" in state_dict:
            state_dict[f"{prefix}scale"] = state_dict.pop(f"{prefix}gamma")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def trained(seed: int = 1) -> Small:
    """Returns a network whose weights and running statistics are not the first ones."""
    torch.manual_seed(seed)
    network = Small()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and name != "mask":
                tensor.add_(torch.rand_like(tensor))
    return network.eval()
