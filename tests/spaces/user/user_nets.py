"""Networks as a user might write them; a study names them {python: "user_nets:..."}."""

from __future__ import annotations

import torch
from torch import nn


def tiny(classes: int, shape: tuple[int, int, int], hidden: int = 8) -> nn.Module:
    """Receives classes and shape by their names."""
    return nn.Sequential(
        nn.Conv2d(shape[0], hidden, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(hidden, classes),
    )


def torchvision_style(num_classes: int = 1000) -> nn.Module:
    """Receives the classes by torchvision's name for them."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(num_classes))


def grouped(classes: int, shape: tuple[int, int, int], groups: int, channels: int) -> nn.Module:
    """Has a grouped convolution before the head."""
    return nn.Sequential(
        nn.Conv2d(shape[0], channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, groups=groups),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def normalized(classes: int, shape: tuple[int, int, int], groups: int, channels: int) -> nn.Module:
    """Has a group normalization."""
    return nn.Sequential(
        nn.Conv2d(shape[0], channels, 3, padding=1),
        nn.GroupNorm(groups, channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )


def linear(classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """Has no hidden layer, so that nothing can be pruned."""
    channels, height, width = shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))


class Gate(nn.Module):
    """Multiplies one half of its channels by the other; pruning must cut the same ones in both."""

    def __init__(self, classes: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.both = nn.Conv2d(shape[0], 16, 3, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.both(x).chunk(2, dim=1)
        logits: torch.Tensor = self.head((value * gate.sigmoid()).mean((2, 3)))
        return logits


class Reshaping(nn.Module):
    """Contains its number of channels as a constant in a reshape."""

    def __init__(self, classes: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(shape[0], 16, 3, padding=1)
        self.head = nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.first(x).flatten(2).mean(2).reshape(len(x), 4, 4).reshape(len(x), 16)
        logits: torch.Tensor = self.head(mixed)
        return logits


class Dense(nn.Module):
    """Concatenates the outputs of its layers, as a DenseNet does."""

    def __init__(self, classes: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(shape[0], 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(32, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x).relu()
        both = torch.cat([first, self.second(first).relu()], 1)
        logits: torch.Tensor = self.head(both.mean((2, 3)))
        return logits


def transformer(classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """Returns a small vision transformer, for colour images."""
    from torchvision.models.vision_transformer import VisionTransformer

    return VisionTransformer(shape[1], 4, 2, 2, 16, 32, num_classes=classes)


class Tokens(nn.Module):
    """Passes an image's rows as tokens through transformer blocks."""

    def __init__(
        self, classes: int, shape: tuple[int, int, int], width: int = 8, depth: int = 2
    ) -> None:
        super().__init__()
        self.embedding = nn.Linear(shape[2], width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, batch_first=True)
            for _ in range(depth)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(x[:, 0])
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.head(x.mean(1))
        return logits


class SharedBlock(nn.Module):
    """Applies one transformer block three times, as ALBERT does."""

    def __init__(self, classes: int, shape: tuple[int, int, int], width: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Linear(shape[2], width)
        self.block = nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(x[:, 0])
        for _ in range(3):
            x = self.block(x)
        logits: torch.Tensor = self.head(x.mean(1))
        return logits


def raises(classes: int) -> nn.Module:
    """Raises instead of returning a network."""
    raise LookupError("the blueprint is lost")


class Silent(nn.Module):
    """Refuses every image without an error text."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError


class Asserting(nn.Module):
    """Refuses every image by an assertion, as torchvision's transformers do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("Wrong image height!\nExpected 224")


class Unpooled(nn.Module):
    """Gives a picture instead of logits."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Pair(nn.Module):
    """Gives two outputs."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


number = 3


class Branching(nn.Module):
    """Branches on the values of its input."""

    def __init__(self, classes: int, pixels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1)) if x.sum() > 0 else self.linear(-x.flatten(1))


def branching(classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """Returns a network that no tracer can follow."""
    return Branching(classes, shape[0] * shape[1] * shape[2])
