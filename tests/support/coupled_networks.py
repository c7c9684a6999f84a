"""Small networks whose channels are coupled in ways that a dependency graph does not show."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

Shape = tuple[int, int, int]


class Decoder(nn.Module):
    """A code becomes a map for transposed convolutions, the second one with groups."""

    def __init__(self, classes: int, shape: Shape, how: str = "attribute") -> None:
        super().__init__()
        self.how = how
        self.first = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.code = nn.Linear(8 * shape[1] * shape[2], 12 * 9)
        self.unflatten = nn.Unflatten(1, (12, 3, 3))
        self.up = nn.ConvTranspose2d(12, 8, 2, stride=2)
        self.out = nn.ConvTranspose2d(8, 12, 2, stride=2, groups=4)
        self.head = nn.Linear(12, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.code(self.first(x).relu().flatten(1)).relu()
        if self.how == "attribute":
            y = y.view(-1, self.up.in_channels, 3, 3)
        elif self.how == "size":
            y = y.view(y.shape[0], -1, 3, 3)
        elif self.how == "number":
            y = y.view(-1, 12, 3, 3)
        elif self.how == "module":
            y = self.unflatten(y)
        logits: torch.Tensor = self.head(self.out(self.up(y).relu()).relu().mean((2, 3)))
        return logits


class Sliced(nn.Module):
    """Halves of a depthwise convolution gate each other; a number or the size cuts them."""

    def __init__(self, classes: int, shape: Shape, by_number: bool) -> None:
        super().__init__()
        self.width, self.by_number = 6, by_number
        self.stem = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.expand = nn.Conv2d(8, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.reduce = nn.Conv2d(6, 8, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        y = self.depthwise(self.expand(x))
        half = self.width if self.by_number else y.shape[1] // 2
        x = x + self.reduce(y[:, :half].sigmoid() * y[:, half:])
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits


class NormalizedTogether(nn.Module):
    """Branches of 16 and 8 channels under a normalization of four groups."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.wide, self.narrow = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 8, 1)
        self.norm = nn.GroupNorm(4, 24)
        self.out = nn.Conv2d(24, 8, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        x = self.norm(torch.cat([self.wide(x), self.narrow(x)], 1))
        logits: torch.Tensor = self.head(self.out(x).relu().mean((2, 3)))
        return logits


class TiedDecoder(nn.Module):
    """The weight of a linear layer is used again, transposed."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Linear(shape[0] * shape[1] * shape[2], 10)
        self.up = nn.Linear(10, 20)
        self.head = nn.Linear(10, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x.flatten(1)).relu()
        x = x + functional.linear(self.up(x).relu(), self.up.weight.t())
        logits: torch.Tensor = self.head(x)
        return logits


class SharedWeight(nn.Module):
    """Two convolutions with one weight, and another that is free."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.right.weight = self.left.weight
        self.free = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.right(self.left(self.stem(x).relu()).relu())
        logits: torch.Tensor = self.head(self.free(x).relu().mean((2, 3)))
        return logits


class CalledTwice(nn.Module):
    """A convolution that is called twice."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(shape[0], 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        logits: torch.Tensor = self.head(self.conv(self.conv(x).relu()).mean((2, 3)))
        return logits


class Enlarged(nn.Module):
    """A pixel shuffle, a gated linear unit, and a slope for each channel."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 24, 3, padding=1)
        self.slopes = nn.PReLU(6)
        self.mixed = nn.Conv2d(6, 16, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.slopes(functional.pixel_shuffle(self.stem(x), 2))
        logits: torch.Tensor = self.head(functional.glu(self.mixed(x), 1).mean((2, 3)))
        return logits


class Branches(nn.Module):
    """A residual block on two concatenated branches."""

    def __init__(self, classes: int, shape: Shape) -> None:
        super().__init__()
        self.stem = nn.Conv2d(shape[0], 4, 3, padding=1)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 8, 1)
        self.mixed = nn.Conv2d(12, 12, 1)
        self.head = nn.Linear(12, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        x = torch.cat([self.left(x), self.right(x)], 1)
        logits: torch.Tensor = self.head((x + self.mixed(x)).mean((2, 3)))
        return logits
