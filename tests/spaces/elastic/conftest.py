"""Fixtures of the tests of elastic networks: arranged candidates of several families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from paretune.inputs import Shape, Tokens
from paretune.spaces.base import Candidate, Context
from paretune.spaces.elastic.arranging import arranged
from paretune.spaces.elastic.spec import ElasticSpec
from paretune.spaces.rebuild import initial_candidate

IMAGES, TEXT, CLASSES = (1, 8, 8), Tokens(6, 20), 3


class Own(nn.Module):
    """A user's network: a stem with statistics, torch's own attention, and a branch that joins."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.left = nn.Conv2d(8, 4, 1)
        self.right = nn.Conv2d(8, 4, 3, padding=1, groups=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.hidden = nn.Linear(8, 16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[B, 1, H, W] -> logits [B, classes]."""
        x = self.stem(images)
        x = torch.cat([self.left(x), self.right(x)], 1).flatten(2).transpose(1, 2)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        logits: torch.Tensor = self.head(torch.relu(self.hidden(x.mean(1))))
        return logits


CASES: dict[str, tuple[dict[str, Any] | None, Shape, ElasticSpec]] = {
    "cnn": ({"simple_cnn": {"width": 0.125}}, IMAGES, ElasticSpec()),
    "resnet": (
        {"resnet": {"width": 8, "blocks": 2, "stages": 2}},
        IMAGES,
        ElasticSpec(width=[0.5, 0.75, 1.0], depth={"least": 0.4}, resolution=[6], groups=2),  # type: ignore[arg-type]
    ),
    "vit": (
        {"vit": {"width": 8, "depth": 3, "heads": 2, "patch": 4}},
        IMAGES,
        ElasticSpec(depth={"criterion": "last"}, groups=2),  # type: ignore[arg-type]
    ),
    "text": (
        {"text_transformer": {"width": 8, "layers": 2, "heads": 2}},
        TEXT,
        ElasticSpec(depth={"criterion": "last"}, groups=1),  # type: ignore[arg-type]
    ),
    "own": (None, IMAGES, ElasticSpec(width=[0.5, 1.0], groups=3, round_to=2)),
}


def make(case: str) -> Candidate:
    """Returns a network with random weights and random statistics."""
    architecture, shape, _ = CASES[case]
    if architecture is None:
        torch.manual_seed(0)
        candidate = Candidate(Own().eval(), shape, CLASSES)  # type: ignore[arg-type]
    else:
        candidate = initial_candidate(architecture, shape, CLASSES, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, buffer in candidate.model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand(buffer.shape, generator=generator))
    return candidate


@pytest.fixture(scope="package")
def arrange(context: Context) -> Callable[[str], Candidate]:
    """Returns a function: case -> its arranged candidate, which tests must not change."""
    made: dict[str, Candidate] = {}

    def arrange(case: str) -> Candidate:
        if case not in made:
            made[case] = arranged(make(case), CASES[case][2], context)
        return made[case]

    return arrange
