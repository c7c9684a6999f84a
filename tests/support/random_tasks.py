"""Random networks with several inputs and outputs, over images, series, features and tokens.

`{python: {factory: "support.random_tasks:build", args: {seed: 7}}}` names the network of a seed,
and `shape_of(seed)` what it takes.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from paretune.inputs import Input, Shape, Signature
from support.random_networks import MAP_PARTS, VECTOR_PARTS
from support.random_series import SERIES_PARTS

INPUTS = {
    "image": Input("image", (3, 8, 8)),
    "series": Input("series", (3, 18)),
    "features": Input("features", (7,)),
    "tokens": Input("tokens", (9,), "int64", 13),
    "steps": Input("steps", (11, 6)),
}

SINGLE = ("image", "series", "features", "tokens", "steps")


def shape_of(seed: int) -> Shape:
    """Returns what the network of a seed takes."""
    rng = random.Random(seed)
    count = rng.choice([1, 1, 2, 2, 3])
    names = rng.sample(SINGLE, count)
    if count == 1:
        return Signature((INPUTS[names[0]],))
    return Signature(tuple(INPUTS[name] for name in names), rng.choice(["tuple", "dict"]))


class Branch(nn.Module):
    """One input: random parts, and features [B, F, ...] at the end.

    `maps` holds what it gives before the mean over its positions.
    """

    def __init__(self, rng: random.Random, kind: str) -> None:
        super().__init__()
        self.kind = kind
        width = rng.choice((6, 8, 12))
        parts: list[Any] = []
        if kind == "image":
            self.stem: nn.Module = nn.Conv2d(3, width, 3, padding=1)
            for _ in range(rng.randint(1, 3)):
                parts.append(rng.choice(MAP_PARTS)(rng, width, 8))
                width = parts[-1].out
        elif kind == "features":
            self.stem = nn.Linear(7, width)
            for _ in range(rng.randint(0, 2)):
                parts.append(rng.choice(VECTOR_PARTS)(rng, width))
                width = parts[-1].out
        else:
            if kind == "series":
                self.stem = nn.Conv1d(3, width, 3, padding=1)
            elif kind == "steps":
                self.stem = nn.Linear(6, width)
            else:
                self.stem = nn.Embedding(13, width)
            for _ in range(rng.randint(1, 4)):
                parts.append(rng.choice(SERIES_PARTS)(rng, width))
                width = parts[-1].out
        self.parts, self.out = nn.Sequential(*parts), width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        if self.kind in ("steps", "tokens"):
            x = x.transpose(1, 2)
        maps: torch.Tensor = self.parts(x)
        return maps


def pooled(x: torch.Tensor) -> torch.Tensor:
    """Returns [B, F] of [B, F, ...]."""
    return x.flatten(2).mean(2) if x.ndim > 2 else x


class Dense(nn.Module):
    """Outputs for each position of the only input: at one resolution, or at two with a sum."""

    def __init__(self, rng: random.Random, width: int, kind: str) -> None:
        super().__init__()
        conv: Any = nn.Conv2d if kind == "image" else nn.Conv1d
        self.coarse = rng.random() < 0.5
        self.down, self.lateral = conv(width, 8, 3, stride=2, padding=1), conv(8, width, 1)
        self.skip = rng.choice(["add", "cat"])
        self.smooth = conv(width * (2 if self.skip == "cat" else 1), 12, 3, padding=1)
        self.last = conv(12, rng.choice((1, 4, 7)), 1)
        self.side = conv(8, 3, 1)
        self.form = rng.choice(["logits", "sigmoid", "last_dim", "anchors", "resized"])

    def forward(self, x: torch.Tensor) -> Any:
        low = self.down(x).relu()
        up = functional.interpolate(self.lateral(low), x.shape[2:])
        y = x + up if self.skip == "add" else torch.cat([x, up], 1)
        y = self.last(self.smooth(y).relu())
        if self.form == "sigmoid":
            y = y.sigmoid() * 2
        elif self.form == "last_dim":
            y = y.flatten(2).transpose(1, 2)
        elif self.form == "anchors":
            y = y.view(y.shape[0], 1, y.shape[1], -1).permute(0, 1, 3, 2)
        elif self.form == "resized":
            y = functional.interpolate(y, scale_factor=2.0)
        return (y, self.side(low)) if self.coarse else y


class RandomTask(nn.Module):
    """Branches for each input, joined, and one or several heads."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        signature = shape_of(seed)
        assert isinstance(signature, Signature)
        rng = random.Random(seed + 1)
        self.names = signature.names
        self.branches = nn.ModuleDict({name: Branch(rng, name) for name in self.names})
        widths = [self.branches[name].out for name in self.names]
        only = self.names[0]
        self.dense = None
        if len(self.names) == 1 and only != "features" and rng.random() < 0.5:
            self.dense = Dense(rng, int(widths[0]), only)  # type: ignore[arg-type]
            return
        self.join = rng.choice(["cat", "add", "gate", "stack"])
        if self.join != "cat":
            self.align = nn.ModuleList(nn.Linear(int(w), 12) for w in widths)  # type: ignore[arg-type]
        width = sum(widths) if self.join == "cat" else 12  # type: ignore[arg-type]
        parts: list[Any] = []
        for _ in range(rng.randint(0, 2)):
            parts.append(rng.choice(VECTOR_PARTS)(rng, int(width)))
            width = parts[-1].out
        self.parts = nn.Sequential(*parts)
        self.heads = nn.ModuleList(
            self._head(rng, int(width)) for _ in range(rng.choice([1, 1, 2, 3]))
        )
        self.form = rng.choice(["tuple", "dict", "list", "nested", "output", "cat", "features"])

    @staticmethod
    def _head(rng: random.Random, width: int) -> nn.Module:
        outputs = rng.choice((1, 2, 5, 12))
        if rng.random() < 0.5:
            return nn.Linear(width, outputs)
        hidden = rng.choice((8, 12))
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, *args: torch.Tensor, **named: torch.Tensor) -> Any:
        values = args or [named[name] for name in self.names]
        maps = [self.branches[n](x) for n, x in zip(self.names, values, strict=True)]
        if self.dense is not None:
            return self.dense(maps[0])
        x = self.parts(self._joined([pooled(m) for m in maps]))
        outputs = [head(x) for head in self.heads]
        if self.form == "features":
            return {"features": x, "outputs": outputs}
        if self.form == "cat":
            return torch.cat([o.softmax(1) for o in outputs], 1)
        if len(outputs) == 1 and self.form != "nested":
            return outputs[0]
        if self.form == "dict":
            return {f"head{i}": o for i, o in enumerate(outputs)}
        if self.form == "nested":
            return {"first": outputs[0], "others": (outputs[1:], {"best": outputs[0].argmax(1)})}
        if self.form == "output":
            return OrderedDict(logits=outputs[0], loss=None, more=tuple(outputs[1:]), cache=self)
        return outputs if self.form == "list" else tuple(outputs)

    def _joined(self, vectors: list[torch.Tensor]) -> torch.Tensor:
        if self.join == "cat":
            return torch.cat(vectors, 1)
        aligned = [linear(v) for linear, v in zip(self.align, vectors, strict=True)]
        if self.join == "stack":
            return torch.stack(aligned, 1).mean(1)
        total = aligned[0]
        for other in aligned[1:]:
            total = total + other if self.join == "add" else total * other.sigmoid()
        return total


def build(seed: int) -> nn.Module:
    """Returns the random network of a seed."""
    return RandomTask(seed)
