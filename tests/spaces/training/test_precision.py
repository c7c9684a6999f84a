"""Mixed precision on a CPU: the precision of products, and scaling of the loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, Data, EpochEnd
from paretune.spaces.training.loop import train
from paretune.spaces.training.precision import Precision
from paretune.spaces.training.recipe import Recipe


class RecordingLinear(nn.Module):
    """A linear layer that records the dtypes of its results."""

    seen: set[torch.dtype]

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, classes)
        self.seen = set()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(images.flatten(1))
        self.seen.add(logits.dtype)
        return logits


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [
        ("auto", torch.float32),
        ("off", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
    ],
)
def test_network_computes_in_the_precision_of_the_recipe_and_learns(
    data: Data, amp: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    candidate = Candidate(
        RecordingLinear(math.prod(data.shape), data.classes).eval(), data.shape, data.classes
    )
    events: list[EpochEnd] = []
    recipe = Recipe.model_validate({"epochs": 8, "batch_size": 8, "amp": amp, "clip": 5.0})
    made = train(candidate, recipe, Context(data, report=events.append), stage="pretrain")
    assert made.model.seen == {dtype}
    assert events[-1].loss < 0.9 * events[0].loss
    assert all(p.dtype == torch.float32 for p in made.model.parameters())


def tiny_gradient(kind: str) -> float:
    """Returns a weight's gradient; it should be 1e-9, which is below float16's smallest number."""
    weight = nn.Parameter(torch.ones(1, 1))
    precision = Precision(kind, "cpu")
    optimizer = torch.optim.SGD([weight], lr=1.0)
    with precision.autocast:
        product = nn.functional.linear(torch.full((1, 1), 1e-3), weight)
    precision.backward((product.float() * 1e-6).sum())
    precision.step(optimizer, [weight], clip=1.0)  # clipping sees gradients that are scaled back
    assert weight.grad is not None
    return float(weight.grad)


def test_loss_scaling_keeps_a_gradient_that_float16_would_lose() -> None:
    assert float(torch.tensor(1e-9).half()) == 0
    assert tiny_gradient("float16") == pytest.approx(1e-9, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "scaled"), [("float16", True), ("bfloat16", False), ("off", False)]
)
def test_loss_is_scaled_only_for_float16(kind: str, scaled: bool) -> None:
    assert Precision(kind, "cpu").scaler.is_enabled() == scaled


def test_step_is_skipped_when_a_gradient_overflowed() -> None:
    weight = nn.Parameter(torch.ones(1))
    precision = Precision("float16", "cpu")
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scale = precision.scaler.get_scale()
    precision.backward((weight * math.inf).sum())
    precision.step(optimizer, [weight], clip=None)
    assert float(weight.detach()) == 1.0
    assert precision.scaler.get_scale() == scale / 2
