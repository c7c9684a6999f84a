"""Parts for random networks over time: [B, C, T] to [B, C', T'], as hard to prune as maps."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from support.random_networks import WIDTHS, activation


def norm(rng: random.Random, channels: int) -> nn.Module:
    groups = rng.choice([g for g in (1, 2, 4) if channels % g == 0])
    return rng.choice(
        [
            nn.BatchNorm1d(channels),
            nn.BatchNorm1d(channels),
            nn.GroupNorm(groups, channels),
            nn.InstanceNorm1d(channels, affine=True),
            nn.PReLU(channels),
            nn.Identity(),
        ]
    )


class Conv(nn.Sequential):
    """A convolution over time, with a stride or a dilation, a normalization and an activation."""

    def __init__(self, rng: random.Random, c: int) -> None:
        self.out = rng.choice(WIDTHS)
        kernel, stride, dilation = rng.choice([(1, 1, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2)])
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv1d(c, self.out, kernel, stride, padding, dilation, bias=rng.random() < 0.5),
            norm(rng, self.out),
            activation(rng),
        )


class Causal(nn.Module):
    """A convolution that reads the past only: padded on the left, or cut on the right."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out, self.cuts = rng.choice(WIDTHS), rng.random() < 0.5
        self.conv = nn.Conv1d(c, self.out, 3, padding=4 if self.cuts else 0, dilation=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.cuts:
            return self.conv(x)[:, :, :-4].relu()
        return self.conv(functional.pad(x, (4, 0))).relu()


class Depthwise(nn.Sequential):
    """A depthwise and a pointwise convolution, as in a TCN."""

    def __init__(self, rng: random.Random, c: int) -> None:
        self.out = rng.choice(WIDTHS)
        super().__init__(
            nn.Conv1d(c, c, 3, padding=1, groups=c),
            norm(rng, c),
            activation(rng),
            nn.Conv1d(c, self.out, 1),
            norm(rng, self.out),
        )


class Grouped(nn.Sequential):
    """A grouped convolution."""

    def __init__(self, rng: random.Random, c: int) -> None:
        self.out = 2 * rng.choice([2, 3, 4])
        super().__init__(nn.Conv1d(c, self.out, 3, padding=1, groups=2), norm(rng, self.out))


class Transposed(nn.Sequential):
    """A transposed convolution and a pooling."""

    def __init__(self, rng: random.Random, c: int) -> None:
        self.out = rng.choice((4, 8, 12))
        super().__init__(
            nn.ConvTranspose1d(c, self.out, 4, 2, 1, groups=rng.choice([1, 1, 2])),
            norm(rng, self.out),
            activation(rng),
            nn.AvgPool1d(2),
        )


class Residual(nn.Module):
    """Two convolutions with a shortcut, with or without weights."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out = rng.choice([c, c, rng.choice(WIDTHS)])
        hidden = rng.choice(WIDTHS)
        self.first, self.norm = nn.Conv1d(c, hidden, 3, padding=1), norm(rng, hidden)
        self.second = nn.Conv1d(hidden, self.out, 1)
        self.short = nn.Identity() if self.out == c else nn.Conv1d(c, self.out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.short(x) + self.second(self.norm(self.first(x)).relu())


class Gate(nn.Module):
    """Halves that multiply each other, as in WaveNet."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.h = self.out = rng.choice((4, 6, 8))
        self.both = nn.Conv1d(c, 2 * self.h, 1)
        self.kind = rng.choice(["chunk", "split", "slices", "half", "narrow", "glu", "two"])
        self.other = nn.Conv1d(c, self.h, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.both(x)
        if self.kind == "glu":
            return functional.glu(y, 1)
        if self.kind == "two":
            return self.other(x).tanh() * self.other(x.flip(2)).sigmoid()
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
        return a.tanh() * b.sigmoid()


class Concat(nn.Module):
    """Branches of several dilations, concatenated along the channels."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        widths = [rng.choice((2, 4, 6)) for _ in range(rng.choice([2, 3]))]
        self.branches = nn.ModuleList(
            nn.Conv1d(c, width, 3, padding=d, dilation=d)
            for width, d in zip(widths, (1, 2, 4), strict=False)
        )
        self.through, self.last = rng.random() < 0.3, rng.random() < 0.3
        self.out = sum(widths) + (c if self.through else 0)
        self.norm = norm(rng, self.out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [branch(x).relu() for branch in self.branches] + ([x] if self.through else [])
        if self.last:  # steps first
            return self.norm(torch.cat([m.transpose(1, 2) for m in maps], -1).transpose(1, 2))
        return self.norm(torch.cat(maps, 1))


class Steps(nn.Module):
    """Steps are concatenated, left out, split or reversed; channels stay."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out = c
        self.kind = rng.choice(["cat", "last", "even", "split", "flip", "roll", "stack"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[2] // 2
        if self.kind == "cat":
            return torch.cat([x, x.flip(2)], 2)
        if self.kind == "last":
            return x[..., half:]
        if self.kind == "even":
            return x[:, :, ::2]
        if self.kind == "split":
            a, b = x.split([half, x.shape[2] - half], -1)
            return torch.cat([b, a], -1)
        if self.kind == "roll":
            return x + x.roll(1, 2)
        if self.kind == "stack":
            return torch.stack([x, x.relu()], 0).amax(0)
        return x.flip(2)


class Squeeze(nn.Module):
    """Squeeze-and-excitation over time."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out, self.conv = c, rng.random() < 0.5
        kind = (lambda a, b: nn.Conv1d(a, b, 1)) if self.conv else nn.Linear
        self.down, self.up = kind(c, 4), kind(4, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(2, keepdim=self.conv)
        gate = self.up(self.down(mean).relu()).sigmoid()
        return x * (gate if self.conv else gate.unsqueeze(-1))


class StepsFirst(nn.Module):
    """Linear layers on each step: [B, T, C], with a layer normalization or without."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out = rng.choice([c, 8])
        hidden = rng.choice((8, 12))
        self.norm = nn.LayerNorm(c) if rng.random() < 0.4 else nn.Identity()
        self.first, self.second = nn.Linear(c, hidden), nn.Linear(hidden, self.out)
        self.kind = rng.choice(["plain", "chunk", "slice", "add"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(self.norm(x.transpose(1, 2))).relu()
        if self.kind == "chunk":
            a, b = y.chunk(2, -1)
            y = torch.cat([a, a * b], -1)
        elif self.kind == "slice":
            y = torch.cat([y[:, 1:], y[:, :1]], 1)
        y = self.second(y).transpose(1, 2)
        return x + y if self.kind == "add" and self.out == x.shape[1] else y


class Recurrent(nn.Module):
    """A recurrent layer over time."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        both = rng.random() < 0.4
        kind = rng.choice([nn.GRU, nn.LSTM])
        self.rnn = kind(c, 6, batch_first=True, bidirectional=both)
        self.out = 12 if both else 6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.rnn(x.transpose(1, 2))
        return y.transpose(1, 2)


class Attention(nn.Module):
    """Attention over the steps: torch's own, an encoder layer, or heads by hand."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out = 8
        self.embed = nn.Linear(c, 8)
        self.kind = rng.choice(["torch", "encoder", "hand"])
        if self.kind == "torch":
            self.attention = nn.MultiheadAttention(8, 4, batch_first=True)
        elif self.kind == "encoder":
            self.attention = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        else:
            self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
            self.output, self.head_dim = nn.Linear(8, 8), 4

    @property
    def num_heads(self) -> int:
        return self.query.out_features // self.head_dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.embed(x.transpose(1, 2))
        if self.kind == "torch":
            y = y + self.attention(y, y, y, need_weights=False)[0]
        elif self.kind == "encoder":
            y = self.attention(y)
        else:
            b, t, _ = y.shape
            q, k, v = (
                part(y).view(b, t, -1, self.head_dim).transpose(1, 2)
                for part in (self.query, self.key, self.value)
            )
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            y = y + self.output(mixed.transpose(1, 2).reshape(b, t, -1))
        return y.transpose(1, 2)


class SubPixel(nn.Module):
    """Channels become steps, by a view: an enlargement over time; pooled again."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out, self.number = rng.choice((4, 6)), rng.random() < 0.5
        self.conv = nn.Conv1d(c, 2 * self.out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        b, c, t = y.shape
        c = 2 * self.out if self.number else c
        y = y.view(b, c // 2, 2, t).transpose(2, 3).reshape(b, c // 2, 2 * t)
        return functional.avg_pool1d(y, 2)


class AsMap(nn.Module):
    """A series becomes a map of one row, for two-dimensional convolutions."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out = rng.choice(WIDTHS)
        self.conv = nn.Conv2d(c, self.out, (1, 3), padding=(0, 1))
        self.first = rng.random() < 0.3  # steps and channels as a map of one channel
        self.small = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first:
            x = x + self.small(x.unsqueeze(1)).squeeze(1)
        return self.conv(x.unsqueeze(2)).squeeze(2).relu()


class Fixed(nn.Module):
    """A shift of channels by numbers, or statistics over channels."""

    def __init__(self, rng: random.Random, c: int) -> None:
        super().__init__()
        self.out, self.c, self.kind = c, c, rng.choice(["shift", "normalize", "softmax", "expand"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "shift":
            return torch.cat([x[:, : self.c // 2], x[:, self.c // 2 :].flip(2)], 1)
        if self.kind == "normalize":
            return functional.normalize(x, dim=1)
        if self.kind == "expand":
            return x * x.mean(2, keepdim=True).expand(-1, self.c, x.shape[2])
        return x.softmax(1)


SERIES_PARTS: list[Callable[[random.Random, int], nn.Module]] = [
    Conv,
    Conv,
    Conv,
    Causal,
    Depthwise,
    Grouped,
    Transposed,
    Residual,
    Residual,
    Gate,
    Concat,
    Steps,
    Squeeze,
    StepsFirst,
    StepsFirst,
    Recurrent,
    Attention,
    SubPixel,
    AsMap,
    Fixed,
]
