"""Networks of users that an export changes, or that are no function of each example.

A comment `here` marks the line that is to blame.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from paretune.inputs import Tokens
from support.tasks import classification

IMAGE = (1, 8, 8)
TEXT = Tokens(12, 50)
CLASSES = 10


class Base(nn.Module):
    """A small convolutional network; the classes below change its `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.last = nn.Linear(8, CLASSES)

    def head(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(F.relu(self.conv(x)).mean((2, 3)))
        return logits


# -- an export decides something once ------------------------------------------------------------


class BranchOnBrightness(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for image in x.split(1):
            if image.mean() > 0.3:  # here
                image = -image
            parts.append(image)
        return self.head(torch.cat(parts))


class NumberFromTensor(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = []
        for row in x:
            top = float(row.max())  # here
            rows.append(row / (1.0 + abs(top)))
        return self.head(torch.stack(rows))


class ItemAsScale(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales = [image.std().item() + 0.1 for image in x]  # here
        return self.head(x * torch.tensor(scales)[:, None, None, None])


class LoopOverBatch(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for i in range(x.shape[0]):  # here
            parts.append(self.head(x[i : i + 1]))
        return torch.cat(parts)


class IntInView(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        count = int(x.shape[0])  # here
        return self.head(x).view(count, CLASSES)


class LoopOnValues(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = []
        for image in x.unbind():
            for _ in range(int(image.abs().max())):  # here
                image = image * 0.5
            parts.append(image)
        return self.head(torch.stack(parts))


class NumpyInForward(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        edges = np.abs(np.diff(x.detach().numpy(), axis=3)).mean((1, 2, 3))  # here
        return self.head(x + torch.from_numpy(edges)[:, None, None, None])


class ConstantFromInput(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = torch.tensor(x.mean((1, 2, 3)).tolist())  # here
        return self.head(x - means[:, None, None, None])


BAKED = [
    BranchOnBrightness,
    NumberFromTensor,
    ItemAsScale,
    LoopOverBatch,
    IntInView,
    LoopOnValues,
    NumpyInForward,
    ConstantFromInput,
]

# -- not a function of each example --------------------------------------------------------------


class Noise(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 0.1 * torch.randn_like(x)  # here
        return self.head(x)


class DropoutAlways(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(x, 0.3)  # here
        return self.head(x)


class PythonRandom(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * random.uniform(0.5, 1.5)  # here
        return self.head(x)


RANDOM = [Noise, DropoutAlways, PythonRandom]


class Counter(Base):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        x = x * (1 + 0.1 * self.calls)  # here
        return self.head(x)


class RunningMean(Base):
    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mean.mul_(0.5).add_(x.detach().mean() * 0.5)  # here
        x = x - self.mean
        return self.head(x)


class Cache(Base):
    def __init__(self) -> None:
        super().__init__()
        self.last_input: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, self.last_input = self.last_input, x.mean().detach().clone()
        x = x if before is None else x + before  # here
        return self.head(x)


REMEMBERING = [Counter, RunningMean, Cache]


class MaximumOfBatch(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x / x.abs().max()  # here
        return self.head(x)


class NumberOfBatch(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top = float(x.max())  # here
        if top > 1.0:
            x = x - 1.0
        return self.head(x / (0.5 + abs(top)))


class CenteredBatch(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - x.mean(0)  # here
        return self.head(x)


class BatchStatistics(Base):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, track_running_stats=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)  # here
        return self.head(x)


class AttentionOverBatch(Base):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)  # not batch_first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv(x)).mean((2, 3))[:, None]
        x, _ = self.attention(x, x, x)  # here
        return self.last(x[:, 0])  # type: ignore[no-any-return]


MIXING = [MaximumOfBatch, NumberOfBatch, CenteredBatch, BatchStatistics, AttentionOverBatch]

# -- right as they are ---------------------------------------------------------------------------


class EarlyExit(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = self.head(x)
        if x.shape[0] == 1 and bool(logits.max() > 1.0):
            return logits
        return torch.where(logits.amax(1, keepdim=True) > 1.0, logits, self.head(x * 0.5))


class HarmlessReads(Base):
    """Reads values and sizes whose result is the same for every input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not torch.isnan(x).any()
        if x.abs().max() > 1e6:
            raise ValueError("not normalized")
        side = int(torch.tensor(float(x.shape[-1])).sqrt())
        x = F.adaptive_avg_pool2d(x, side * 2)
        return self.head(x.reshape(x.shape[0], 1, side * 2, side * 2))


class InPlace(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2.0).sub_(0.5)
        return self.head(x)


class DeviceConstant(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ramp = torch.linspace(-1, 1, 8, device=x.device, dtype=x.dtype)
        return self.head(x + ramp)


class CausalAttention(nn.Module):
    """Rows as tokens; its mask is a buffer of 0 and -inf."""

    mask: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.register_buffer("mask", torch.full((8, 8), -torch.inf).triu(1))
        self.qkv, self.last = nn.Linear(16, 48), nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.embed(x[:, 0])).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / 4 + self.mask
        logits: torch.Tensor = self.last((scores.softmax(-1) @ v)[:, -1])
        return logits


class ZeroHead(Base):
    """Its last layer is zero until it is trained, so that its outputs are constant."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


class MaskedText(nn.Module):
    """Attention over tokens; padding is masked with -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TEXT[1], 16)
        self.query, self.last = nn.Linear(16, 16), nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(x)
        scores = self.query(tokens) @ tokens.transpose(1, 2)
        scores = scores.masked_fill((x == 0)[:, None], -torch.inf)
        mixed = (scores.softmax(-1) @ tokens)[:, 0]
        logits: torch.Tensor = self.last(mixed)
        return logits


RIGHT: list[Any] = [EarlyExit, HarmlessReads, InPlace, DeviceConstant, CausalAttention, ZeroHead]


class LongestOfBatch(MaskedText):
    """Cuts a batch at its longest text, as scripts do to save time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        longest = int((x != 0).sum(1).max())  # here
        return super().forward(x[:, :longest])


class MeanOfCut(MaskedText):
    """Averages over the longest text of the batch, with its padding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        longest = int((x != 0).sum(1).max())  # here
        logits: torch.Tensor = self.last(self.embed(x[:, :longest]).mean(1))
        return logits


def marked_line(network: Any) -> str:
    """Returns "odd_networks.py:LINE" of the line with the mark in a class."""
    lines = Path(__file__).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"class {network.__name__}("))
    number = next(i for i, line in enumerate(lines[start:], start + 1) if line.endswith("# here"))
    return f"{Path(__file__).name}:{number}"


def images(count: int = 64) -> torch.Tensor:
    """Returns images [count, 1, 8, 8] from dark to bright, with values in [-1, 2.5]."""
    generator = torch.Generator().manual_seed(0)
    brightness = torch.linspace(0, 1, count)[:, None, None, None]
    noise = torch.rand(count, *IMAGE, generator=generator)
    return -1 + 3.5 * (0.2 * noise + 0.8 * brightness * noise)


def texts(count: int = 64) -> torch.Tensor:
    """Returns token ids [count, 12] with 1 to 12 tokens; the rest is padding."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, TEXT[1], (count, TEXT[0]), generator=generator)
    lengths = torch.arange(count) % TEXT[0] + 1
    return torch.where(torch.arange(TEXT[0]) < lengths[:, None], tokens, 0)


class OddData:
    """Examples without labels, as the probe reads them."""

    def __init__(self, text: bool = False) -> None:
        self.shape: Any = TEXT if text else IMAGE
        self.fingerprint = "odd"
        self.task = classification(CLASSES)

    def batches(
        self, part: str, size: int, *, seed: int | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields batches of examples and labels."""
        examples = texts() if len(self.shape) == 2 else images()
        for start in itertools.takewhile(lambda i: i < len(examples), itertools.count(0, size)):
            part_of = examples[start : start + size]
            yield part_of, torch.arange(len(part_of)) % CLASSES

    def black(self) -> tuple[float, ...]:
        """Returns the normalized value of black."""
        return () if len(self.shape) == 2 else (-1.0,)

    def white(self) -> tuple[float, ...]:
        """Returns the normalized value of white."""
        return () if len(self.shape) == 2 else (2.5,)
