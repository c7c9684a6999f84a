"""Random small networks of parts that make structured pruning difficult.

`{python: {factory: "support.random_networks:build", args: {seed: 7}}}` names the network of a seed.
Each part maps [B, C, H, W] to [B, C', H', W'], or [B, F] to [B, F'].
"""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (4, 6, 8, 12, 16)


def activation(rng: random.Random) -> nn.Module:
    return rng.choice([nn.ReLU, nn.GELU, nn.Hardswish, nn.Sigmoid, nn.SiLU])()


def norm(rng: random.Random, channels: int) -> nn.Module:
    groups = rng.choice([g for g in (1, 2, 4) if channels % g == 0])
    return rng.choice(
        [
            nn.BatchNorm2d(channels),
            nn.BatchNorm2d(channels),
            nn.GroupNorm(groups, channels),
            nn.InstanceNorm2d(channels, affine=True),
            nn.PReLU(channels),
            nn.Identity(),
        ]
    )


# -- parts on maps ---------------------------------------------------------------------------------


class Conv(nn.Sequential):
    """A convolution, a normalization and an activation."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        self.out = rng.choice(WIDTHS)
        kernel = rng.choice([1, 3])
        super().__init__(
            nn.Conv2d(c, self.out, kernel, padding=kernel // 2, bias=rng.random() < 0.5),
            norm(rng, self.out),
            activation(rng),
        )


class Depthwise(nn.Sequential):
    """A depthwise and a pointwise convolution."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        self.out = rng.choice(WIDTHS)
        super().__init__(
            nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False),
            norm(rng, c),
            activation(rng),
            nn.Conv2d(c, self.out, 1),
            norm(rng, self.out),
        )


class Grouped(nn.Sequential):
    """A grouped convolution; its groups also when it multiplies channels."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        groups = rng.choice([2, 2, 4]) if c % 4 == 0 else 2
        self.out = groups * rng.choice([2, 3, 4])
        super().__init__(
            nn.Conv2d(c, self.out, 3, padding=1, groups=groups), norm(rng, self.out), nn.ReLU()
        )


class Transposed(nn.Sequential):
    """A transposed convolution, grouped or not, and a pooling."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        groups = rng.choice([1, 1, 2])
        self.out = rng.choice((4, 8, 12))
        super().__init__(
            nn.ConvTranspose2d(c, self.out, 4, stride=2, padding=1, groups=groups),
            norm(rng, self.out),
            activation(rng),
            nn.AvgPool2d(2),
        )


class Residual(nn.Module):
    """Two convolutions with a shortcut, with or without weights."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = rng.choice([c, c, rng.choice(WIDTHS)])
        hidden = rng.choice(WIDTHS)
        self.first, self.norm = nn.Conv2d(c, hidden, 3, padding=1), norm(rng, hidden)
        self.second = nn.Conv2d(hidden, self.out, 1)
        self.short = nn.Identity() if self.out == c else nn.Conv2d(c, self.out, 1)
        self.scale = nn.Parameter(torch.ones(self.out, 1, 1)) if rng.random() < 0.2 else 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.short(x) + self.scale * self.second(self.norm(self.first(x)).relu())


class Concat(nn.Module):
    """Branches of different widths, concatenated and normalized."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        widths = [rng.choice((2, 4, 6, 8)) for _ in range(rng.choice([2, 3]))]
        self.branches = nn.ModuleList(
            nn.Conv2d(c, width, kernel, padding=kernel // 2)
            for width, kernel in zip(widths, (1, 3, 1), strict=False)
        )
        self.through = rng.random() < 0.3
        self.out = sum(widths) + (c if self.through else 0)
        self.norm = norm(rng, self.out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [branch(x).relu() for branch in self.branches]
        return self.norm(torch.cat([*maps, x] if self.through else maps, 1))


class Gate(nn.Module):
    """Halves that multiply each other: by chunk, by split or slices with numbers or sizes."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = rng.choice((4, 6, 8))
        self.h = self.out
        self.both = nn.Conv2d(c, 2 * self.h, 1)
        depthwise = nn.Conv2d(2 * self.h, 2 * self.h, 3, padding=1, groups=2 * self.h)
        self.depthwise = depthwise if rng.random() < 0.5 else nn.Identity()
        self.kind = rng.choice(["chunk", "split", "slices", "half", "narrow"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise(self.both(x))
        if self.kind == "chunk":
            a, b = y.chunk(2, 1)
        elif self.kind == "split":
            a, b = y.split([self.h, self.h], 1)
        elif self.kind == "slices":
            a, b = y[:, : self.h], y[:, self.h :]
        elif self.kind == "half":
            half = y.shape[1] // 2
            a, b = y[:, :half], y[:, half:]
        else:
            a, b = y.narrow(1, 0, self.h), y.narrow(1, self.h, self.h)
        return a.sigmoid() * b


class PartialConv(nn.Module):
    """A convolution on the first channels only; the others pass."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out, self.some = c, c // 2 if rng.random() < 0.5 else 2
        self.conv = nn.Conv2d(self.some, self.some, 3, padding=1)
        self.split = rng.random() < 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.split:
            a, b = x.split([self.some, x.shape[1] - self.some], 1)
        else:
            a, b = x[:, : self.some], x[:, self.some :]
        return torch.cat([self.conv(a), b], 1)


class Squeeze(nn.Module):
    """Squeeze-and-excitation with linear layers, convolutions, or a softmax."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = c
        self.kind = rng.choice(["linear", "conv", "softmax", "expand"])
        hidden = rng.choice((2, 4))
        if self.kind == "conv":
            self.down, self.up = nn.Conv2d(c, hidden, 1), nn.Conv2d(hidden, c, 1)
        else:
            self.down, self.up = nn.Linear(c, hidden), nn.Linear(hidden, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "conv":
            return x * self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        gate = self.up(self.down(x.mean((2, 3))).relu())
        gate = gate.softmax(1) if self.kind == "softmax" else gate.sigmoid()
        gate = gate.view(gate.shape[0], gate.shape[1], 1, 1)
        return x * (gate.expand_as(x) if self.kind == "expand" else gate)


class Twice(nn.Module):
    """A module that is called twice, or two modules with one weight."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = c
        self.conv, self.norm = nn.Conv2d(c, c, 3, padding=1), norm(rng, c)
        self.other = self.conv
        self.functional = rng.random() < 0.3
        if rng.random() < 0.5:
            self.other = nn.Conv2d(c, c, 3, padding=1)
            self.other.weight = self.conv.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(x)).relu()
        if self.functional:
            return functional.conv2d(y, self.conv.weight, padding=1)
        return x + self.other(y)


class Shuffle(nn.Module):
    """A channel shuffle between two grouped convolutions."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = c
        self.first = nn.Conv2d(c, c, 1, groups=2)
        self.second = nn.Conv2d(c, c, 3, padding=1, groups=rng.choice([1, 2]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).relu()
        b, c, h, w = y.shape
        y = y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        return self.second(y)


class PixelShuffle(nn.Module):
    """A pixel shuffle, or its inverse, between convolutions."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = rng.choice((4, 8))
        self.up = rng.random() < 0.5
        self.first = nn.Conv2d(c, 4 * self.out if self.up else 4, 1)
        self.second = nn.Conv2d(self.out if self.up else 16, self.out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).relu()
        if self.up:
            return functional.avg_pool2d(self.second(functional.pixel_shuffle(y, 2)), 2)
        return functional.interpolate(self.second(functional.pixel_unshuffle(y, 2)), x.shape[2:])


class Code(nn.Module):
    """A linear layer on the flattened map; its outputs become a map again."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out, self.hidden = rng.choice(WIDTHS), rng.choice((4, 6, 8))
        self.code = nn.Linear(c * size * size, self.hidden * size * size)
        if rng.random() < 0.3:
            self.conv = nn.ConvTranspose2d(self.hidden, self.out, 3, padding=1)
        else:
            self.conv = nn.Conv2d(self.hidden, self.out, 3, padding=1)
        self.kind = rng.choice(["view", "module", "number", "attribute", "tokens"])
        self.unflatten = nn.Unflatten(1, (self.hidden, size, size))
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.code(x.flatten(1)).relu()
        if self.kind == "view":
            y = y.view(y.shape[0], -1, self.size, self.size)
        elif self.kind == "module":
            y = self.unflatten(y)
        elif self.kind == "number":
            y = y.reshape(-1, self.hidden, self.size, self.size)
        elif self.kind == "attribute":
            y = y.reshape(-1, self.conv.in_channels, self.size, self.size)
        else:
            y = y.view(y.shape[0], self.size, self.size, -1).permute(0, 3, 1, 2)
        return self.conv(y)


class ChannelsLast(nn.Module):
    """Linear layers on the channels of a permuted map, as in ConvNeXt."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = c
        hidden = rng.choice((8, 12))
        self.norm = nn.LayerNorm(c) if rng.random() < 0.5 else nn.Identity()
        self.first, self.second = nn.Linear(c, hidden), nn.Linear(hidden, c)
        self.gamma = nn.Parameter(torch.full((c,), 0.1)) if rng.random() < 0.5 else 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x.permute(0, 2, 3, 1))
        y = self.gamma * self.second(functional.gelu(self.first(y)))
        return x + y.permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Attention over the pixels: torch's own, an encoder layer, or heads by numbers."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.width = 8
        self.out = self.width
        self.embed = nn.Conv2d(c, self.width, 1)
        self.kind = rng.choice(["torch", "encoder", "numbers", "single"])
        if self.kind == "torch":
            self.attention = nn.MultiheadAttention(self.width, 4, batch_first=True)
        elif self.kind == "encoder":
            self.attention = nn.TransformerEncoderLayer(
                self.width, 2, 16, dropout=0.0, batch_first=True
            )
        else:
            self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.embed(x)
        b, _, h, w = y.shape
        tokens = y.flatten(2).transpose(1, 2)
        if self.kind == "torch":
            tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        elif self.kind == "encoder":
            tokens = self.attention(tokens)
        elif self.kind == "single":
            q, k, v = self.qkv(tokens).chunk(3, -1)
            tokens = self.proj((q @ k.transpose(1, 2)).softmax(-1) @ v)
        else:
            qkv = self.qkv(tokens).reshape(b, h * w, 3, 2, 4).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            mixed = (q @ k.transpose(2, 3)).softmax(-1) @ v
            tokens = self.proj(mixed.transpose(1, 2).reshape(b, h * w, 8))
        return tokens.transpose(1, 2).reshape(b, -1, h, w)


class Pyramid(nn.Module):
    """Pooled maps, reduced, enlarged and concatenated."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        sides = rng.choice([(1, 2), (1, 3, size)])
        self.sides = sides
        self.reduce = nn.ModuleList(nn.Conv2d(c, 4, 1) for _ in sides)
        self.out = c + 4 * len(sides)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [x]
        for side, reduce in zip(self.sides, self.reduce, strict=True):
            y = reduce(functional.adaptive_avg_pool2d(x, side))
            maps.append(
                functional.interpolate(y, x.shape[2:], mode="bilinear", align_corners=False)
            )
        return torch.cat(maps, 1)


class Statistics(nn.Module):
    """Statistics over the channels: their mean and maximum, or their norm."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out = c
        self.conv = nn.Conv2d(2, 1, 3, padding=1)
        self.kind = rng.choice(["spatial", "normalize", "softmax", "max"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "spatial":
            both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
            return x * self.conv(both).sigmoid()
        if self.kind == "normalize":
            return functional.normalize(x, dim=1)
        return x.softmax(1) if self.kind == "softmax" else x - x.amax(1, keepdim=True)


class Pool(nn.Module):
    """A pooling, or an upsampling and a pooling."""

    def __init__(self, rng: random.Random, c: int, size: int) -> None:
        super().__init__()
        self.out, self.upper = c, rng.random() < 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.upper:
            return functional.avg_pool2d(functional.interpolate(x, scale_factor=2.0), 2)
        return functional.max_pool2d(x, 3, 1, 1)


# -- parts on vectors -----------------------------------------------------------------------------


class Dense(nn.Module):
    """A linear layer, a normalization and an activation."""

    def __init__(self, rng: random.Random, f: int) -> None:
        super().__init__()
        self.out = rng.choice((8, 12, 16))
        self.linear = nn.Linear(f, self.out)
        self.norm = rng.choice([nn.BatchNorm1d(self.out), nn.Identity(), nn.LayerNorm(self.out)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.linear(x)).relu()


class Tied(nn.Module):
    """A decoder that is the encoder transposed."""

    def __init__(self, rng: random.Random, f: int) -> None:
        super().__init__()
        self.out = f
        self.up = nn.Linear(f, rng.choice((8, 12)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + functional.linear(self.up(x).relu(), self.up.weight.t())


class DenseGate(nn.Module):
    """A gated linear unit."""

    def __init__(self, rng: random.Random, f: int) -> None:
        super().__init__()
        self.out = rng.choice((6, 8))
        self.both, self.numbers = nn.Linear(f, 2 * self.out), rng.random() < 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.both(x)
        if self.numbers:
            return y[:, : self.out] * y[:, self.out :].sigmoid()
        return functional.glu(y, 1)


class Folded(nn.Module):
    """Groups of features that are averaged, by a number of groups or of members."""

    def __init__(self, rng: random.Random, f: int) -> None:
        super().__init__()
        self.linear, self.kind = nn.Linear(f, 16), rng.choice(["groups", "members", "last"])
        self.out = 4

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x).relu()
        if self.kind == "groups":
            return y.view(y.shape[0], 4, -1).mean(2)
        if self.kind == "members":
            return y.view(y.shape[0], -1, 4).mean(1)
        return y.view(y.shape[0], 4, 4).mean(2)


MAP_PARTS: list[Callable[[random.Random, int, int], nn.Module]] = [
    Conv,
    Conv,
    Conv,
    Depthwise,
    Grouped,
    Transposed,
    Residual,
    Residual,
    Concat,
    Gate,
    PartialConv,
    Squeeze,
    Twice,
    Shuffle,
    PixelShuffle,
    Code,
    ChannelsLast,
    Attention,
    Pyramid,
    Statistics,
    Pool,
]

VECTOR_PARTS: list[Callable[[random.Random, int], nn.Module]] = [
    Dense,
    Dense,
    Tied,
    DenseGate,
    Folded,
]


class RandomNetwork(nn.Module):
    """A stem, random parts on maps, a flattening or mean, random parts on vectors, and a head."""

    def __init__(self, seed: int, classes: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        rng = random.Random(seed)
        size = shape[1]
        width = rng.choice(WIDTHS)
        self.stem = nn.Conv2d(shape[0], width, 3, padding=1)
        maps: list[nn.Module] = []
        for _ in range(rng.randint(1, 4)):
            maps.append(rng.choice(MAP_PARTS)(rng, width, size))
            width = maps[-1].out  # type: ignore[assignment]
        self.maps = nn.Sequential(*maps)
        self.flat = rng.random() < 0.3
        width = width * size * size if self.flat else width
        vectors: list[nn.Module] = []
        for _ in range(rng.randint(0, 2)):
            vectors.append(rng.choice(VECTOR_PARTS)(rng, width))
            width = vectors[-1].out  # type: ignore[assignment]
        self.vectors = nn.Sequential(*vectors)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maps(self.stem(x))
        x = x.flatten(1) if self.flat else x.mean((2, 3))
        logits: torch.Tensor = self.head(self.vectors(x))
        return logits


def build(seed: int, classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """Returns the random network of a seed."""
    return RandomNetwork(seed, classes, shape)
