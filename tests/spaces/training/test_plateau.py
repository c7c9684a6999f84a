"""The schedule plateau: the factor that follows from the losses."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.spaces.training import SCHEDULES


def loss_factor(losses: list[float], **params: Any) -> float:
    entry = SCHEDULES.get("plateau")
    return float(entry.loss_factor(entry.Params(**params), losses))


@pytest.mark.parametrize(
    ("losses", "drops"),
    [
        ([], 0),
        ([3, 2, 1], 0),
        ([3, 3], 0),
        ([3, 3, 3], 1),
        ([3, 3, 3, 2, 2], 1),
        ([3, 3, 3, 2, 2, 2], 2),
        ([3, 3, 3, 3, 3], 2),
    ],
)
def test_rate_drops_after_each_patience_without_improvement(
    losses: list[float], drops: int
) -> None:
    assert loss_factor(losses, patience=2, gamma=0.5) == 0.5**drops


def test_drops_end_at_the_smallest_factor() -> None:
    assert loss_factor([1.0] * 50, patience=1, gamma=0.1, end=0.05) == 0.05


def test_plateau_equals_torch_s_with_a_patience_smaller_by_one() -> None:
    """torch drops after the epoch that exceeds the patience, Paretune when it is reached."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, threshold=0.01
    )
    losses = [3.0, 2.0, 1.995, 2.1, 2.2, 1.5, 1.6, 1.7, 1.49, 1.48, 1.6, 1.6, 1.6, 1.2]
    for epoch, loss in enumerate(losses, 1):
        reference.step(loss)
        factor = loss_factor(losses[:epoch], patience=3, gamma=0.5, threshold=0.01)
        assert factor == pytest.approx(optimizer.param_groups[0]["lr"])
    assert factor < 0.5
