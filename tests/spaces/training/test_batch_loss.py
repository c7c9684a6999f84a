"""The loss of a batch: which one a training minimizes, and what it may give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.recipe import Recipe
from paretune.task import Outputs
from support.tasks import ToyTask, ToyTaskData, classification

SCORES = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
LABELS = torch.tensor([0, 2, 1, 1, 0, 2])


def loss_of(task: Any, loss: Any = None, smoothing: float = 0.0) -> BatchLoss:
    recipe = Recipe.model_validate({"epochs": 1, "loss": loss, "label_smoothing": smoothing})
    data = ToyTaskData(task, (4,), torch.zeros(6, 4), LABELS)
    return BatchLoss(data, recipe.loss, recipe.label_smoothing)


def test_loss_is_the_task_s_unless_the_recipe_has_one() -> None:
    task = ToyTask(batch_loss=lambda outputs, targets: outputs.sum() * 0 + 7)
    assert float(loss_of(task).mean(SCORES, LABELS).detach()) == 7
    expected = functional.cross_entropy(SCORES, LABELS)
    torch.testing.assert_close(loss_of(task, "cross_entropy").mean(SCORES, LABELS), expected)


def test_total_is_the_sum_over_the_examples() -> None:
    expected = functional.cross_entropy(SCORES, LABELS, reduction="sum")
    for loss in (loss_of(classification(3)), loss_of(classification(3), "cross_entropy")):
        torch.testing.assert_close(loss.total(SCORES, LABELS, 6), expected)


@pytest.mark.parametrize(
    "loss", [None, "cross_entropy", {"cross_entropy": {"class_weights": [1, 1, 1]}}]
)
def test_label_smoothing_reaches_the_cross_entropy(loss: Any) -> None:
    expected = functional.cross_entropy(SCORES, LABELS, label_smoothing=0.3)
    smoothed = loss_of(classification(3), loss, 0.3)
    torch.testing.assert_close(smoothed.mean(SCORES, LABELS), expected)


def test_label_smoothing_keeps_the_pixels_out_that_the_task_ignores() -> None:
    task = ToyTask("masks", Outputs(3), "class", class_scores=True, ignore=2)
    kept = LABELS != 2
    expected = functional.cross_entropy(SCORES[kept], LABELS[kept], label_smoothing=0.3)
    torch.testing.assert_close(loss_of(task, None, 0.3).mean(SCORES, LABELS), expected)


def test_label_smoothing_without_a_cross_entropy_is_refused() -> None:
    with pytest.raises(InfeasibleCandidate, match="the task toys:Toy has another loss"):
        loss_of(ToyTask(), None, 0.1)
    with pytest.raises(ValueError, match="label_smoothing changes the cross-entropy only"):
        loss_of(classification(3), "focal", 0.1)
    with pytest.raises(ValueError, match="label_smoothing is given twice"):
        loss_of(classification(3), {"cross_entropy": {"label_smoothing": 0.1}}, 0.1)


@pytest.mark.parametrize(
    ("gives", "text"),
    [
        (
            lambda o, t: functional.cross_entropy(o, t, reduction="none"),
            r"a tensor \[6\] of float32",
        ),
        (lambda o, t: float(o.detach().sum()), "a float"),
        (lambda o, t: {"loss": o.sum()}, "a dict"),
        (lambda o, t: None, "a NoneType"),
        (lambda o, t: np.float32(1.0), "a float32"),
        (lambda o, t: (o.argmax(1) != t).sum(), r"a tensor \[\] of int64"),
        (lambda o, t: o.detach().sum(), "has no gradient"),
        (lambda o, t: (o.argmax(1) != t).float().mean(), "has no gradient"),
    ],
)
def test_loss_that_is_no_scalar_with_a_gradient_is_refused(gives: Any, text: str) -> None:
    with pytest.raises(InfeasibleCandidate, match=f"the loss of the task toys:Toy (gave )?{text}"):
        loss_of(ToyTask(batch_loss=gives)).mean(SCORES, LABELS)


def test_loss_of_one_value_counts_as_a_scalar() -> None:
    loss = loss_of(ToyTask(batch_loss=lambda o, t: o.mean().reshape(1, 1))).mean(SCORES, LABELS)
    assert loss.shape == ()


@pytest.mark.parametrize(
    ("kind", "loss", "text"),
    [
        (
            "values",
            "cross_entropy",
            "classes, masks or next tokens; the targets of this task are v",
        ),
        ("values", "focal", "classes, masks, next tokens or labels"),
        ("class", "mse", "the loss mse compares values; the targets of this task are classes"),
        ("boxes", "dice", "masks or labels; the targets of this task are boxes"),
        ("labels", "cross_entropy", "are labels"),
    ],
)
def test_loss_that_does_not_fit_the_targets_is_refused(kind: Any, loss: str, text: str) -> None:
    with pytest.raises(InfeasibleCandidate, match=text):
        loss_of(ToyTask("it", Outputs(3), kind), loss)


def test_own_loss_fits_every_task_and_is_named_by_its_path() -> None:
    loss = loss_of(ToyTask("it", Outputs(3), "boxes"), "user_losses:Focal")
    assert loss.name == "the loss user_losses:Focal"


def test_loss_module_with_parameters_is_refused() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"Learned has parameters \(scale\)"):
        loss_of(classification(3), "user_losses:Learned")


def test_targets_that_torch_would_broadcast_are_refused() -> None:
    loss = loss_of(ToyTask(batch_loss=functional.mse_loss))
    with pytest.raises(InfeasibleCandidate, match=r"the targets do not fit the outputs: Using a"):
        loss.mean(SCORES, torch.zeros(6, 1))
