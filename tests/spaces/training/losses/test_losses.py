"""Each loss equals its formula, recomputed by hand, and refuses what does not fit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.losses import LOSSES
from paretune.spaces.training.losses.base import LossFunction
from paretune.spaces.training.recipe import Recipe
from paretune.task import Outputs, Per
from support.tasks import ToyTask, ToyTaskData

CLASSES = 3


def task_of(kind: Any, per: Per = "example", ignore: int | None = None) -> ToyTask:
    return ToyTask(kind, Outputs(CLASSES, per), kind, ignore=ignore)


def built(loss: Any, task: ToyTask, targets: torch.Tensor | None = None) -> LossFunction:
    """Returns the function of a loss as a recipe writes it."""
    option = Recipe.model_validate({"epochs": 1, "loss": loss}).loss
    assert option is not None
    targets = torch.arange(6) % CLASSES if targets is None else targets
    data = ToyTaskData(task, (4,), torch.zeros(len(targets), 4), targets)
    function: LossFunction = LOSSES.get(option.name).build(option.params, data)
    return function


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 2, 1, 1, 0, 2])
MULTI = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]])
MASKS = torch.arange(2 * 4 * 5).reshape(2, 4, 5) % CLASSES


# -- classes ---------------------------------------------------------------------------------------


def test_cross_entropy_without_options_is_that_of_torch() -> None:
    scores = drawn(6, CLASSES)
    loss = built("cross_entropy", task_of("class"))(scores, LABELS)
    assert torch.equal(loss, functional.cross_entropy(scores, LABELS))


def test_class_weights_weigh_each_example_by_its_class() -> None:
    scores, weights = drawn(6, CLASSES), torch.tensor([1.0, 5.0, 0.5])
    loss = built({"cross_entropy": {"class_weights": [1.0, 5.0, 0.5]}}, task_of("class"))
    each = -scores.log_softmax(1)[torch.arange(6), LABELS]
    expected = (weights[LABELS] * each).sum() / weights[LABELS].sum()
    torch.testing.assert_close(loss(scores, LABELS), expected)


def test_balanced_weights_are_the_inverse_shares_of_the_classes() -> None:
    """Four examples of class 0 and one of classes 1 and 2: weights 6 / (3 * 4) and 6 / (3 * 1)."""
    targets = torch.tensor([0, 0, 0, 0, 1, 2])
    loss = built({"cross_entropy": {"class_weights": "balanced"}}, task_of("class"), targets)
    scores = drawn(6, CLASSES)
    expected = functional.cross_entropy(scores, targets, torch.tensor([0.5, 2.0, 2.0]))
    torch.testing.assert_close(loss(scores, targets), expected)


def test_balanced_weights_leave_ignored_pixels_out() -> None:
    from paretune.spaces.training.losses.class_weights import balanced

    targets = torch.tensor([[0, 1, 255, 255], [0, 0, 255, 255]])
    data = ToyTaskData(task_of("mask", "pixel"), (4,), torch.zeros(2, 4), targets)
    assert balanced(data, 255).tolist() == pytest.approx([4 / 9, 4 / 3, 0.0])


@pytest.mark.parametrize("loss", ["cross_entropy", {"focal": {"gamma": 0.0}}])
def test_ignored_pixels_do_not_count_and_a_batch_of_them_is_zero(loss: Any) -> None:
    scores, masks = drawn(2, CLASSES, 4, 5).requires_grad_(), MASKS.clone()
    masks[:, 1:3] = 11
    function = built(loss, task_of("mask", "pixel", ignore=11))
    kept = masks != 11
    rows = scores.movedim(1, -1)[kept]
    torch.testing.assert_close(function(scores, masks), functional.cross_entropy(rows, masks[kept]))
    empty = function(scores, torch.full_like(masks, 11))
    assert float(empty.detach()) == 0.0
    empty.backward()
    assert scores.grad is not None
    assert float(scores.grad.abs().max()) == 0.0


def test_ignore_of_the_loss_wins_over_that_of_the_task() -> None:
    scores = drawn(6, CLASSES)
    loss = built({"cross_entropy": {"ignore": 2}}, task_of("class", ignore=0))
    kept = LABELS != 2
    torch.testing.assert_close(
        loss(scores, LABELS), functional.cross_entropy(scores[kept], LABELS[kept])
    )


def test_positions_have_their_classes_last() -> None:
    """As many positions as classes: the shapes alone would not tell the axes apart."""
    scores, tokens = drawn(2, CLASSES, CLASSES), torch.tensor([[0, 1, 2], [2, 2, 0]])
    expected = functional.cross_entropy(scores.flatten(0, 1), tokens.flatten())
    last = built("cross_entropy", task_of("next", "position"))(scores, tokens)
    torch.testing.assert_close(last, expected)
    second = built("cross_entropy", task_of("mask", "pixel"))(scores, tokens)
    torch.testing.assert_close(second, functional.cross_entropy(scores, tokens))
    assert float(last) != pytest.approx(float(second))


def test_shapes_tell_the_axis_of_a_task_that_is_not_checked() -> None:
    tokens = torch.tensor([[0, 1, 2, 0], [2, 2, 0, 1]])
    function = built("cross_entropy", ToyTask(outputs=Outputs(CLASSES, "any")))
    scores = drawn(2, 4, CLASSES)
    expected = functional.cross_entropy(scores.flatten(0, 1), tokens.flatten())
    torch.testing.assert_close(function(scores, tokens), expected)
    torch.testing.assert_close(function(scores.movedim(1, 2), tokens), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_loss_weighs_by_the_power_of_the_doubt(gamma: float) -> None:
    scores = drawn(6, CLASSES)
    p = scores.softmax(1)[torch.arange(6), LABELS]
    loss = built({"focal": {"gamma": gamma}}, task_of("class"))
    torch.testing.assert_close(loss(scores, LABELS), ((1 - p) ** gamma * -p.log()).mean())


def test_focal_loss_weighs_classes() -> None:
    scores, weights = drawn(6, CLASSES), torch.tensor([1.0, 5.0, 0.5])
    options = {"gamma": 0.0, "class_weights": weights.tolist()}
    loss = built({"focal": options}, task_of("class"))
    torch.testing.assert_close(
        loss(scores, LABELS), functional.cross_entropy(scores, LABELS, weights)
    )


def test_focal_loss_has_a_gradient_where_the_network_is_sure() -> None:
    scores = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    built({"focal": {"gamma": 0.5}}, task_of("class"))(scores, torch.tensor([0])).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


# -- labels ----------------------------------------------------------------------------------------


def test_bce_is_the_mean_over_labels_and_pos_weight_counts_positive_ones_more() -> None:
    scores = drawn(4, CLASSES)
    p = scores.sigmoid()
    for weight, factors in ((None, 1.0), (3.0, 3.0), ([1.0, 2.0, 3.0], torch.tensor([1.0, 2, 3]))):
        loss = built({"bce": {"pos_weight": weight}}, task_of("labels"))
        expected = -(factors * MULTI * p.log() + (1 - MULTI) * (1 - p).log()).mean()
        torch.testing.assert_close(loss(scores, MULTI), expected)


def test_bce_asks_each_class_on_its_own_when_targets_are_classes() -> None:
    scores = drawn(6, CLASSES)
    one_hot = functional.one_hot(LABELS, CLASSES).float()
    expected = functional.binary_cross_entropy_with_logits(scores, one_hot)
    torch.testing.assert_close(built("bce", task_of("class"))(scores, LABELS), expected)


def test_focal_loss_of_labels_equals_bce_when_gamma_is_zero_and_the_formula_else() -> None:
    scores, labels = drawn(4, CLASSES), MULTI.float()
    p = scores.sigmoid()
    right = p * labels + (1 - p) * (1 - labels)
    for gamma in (0.0, 2.0):
        loss = built({"focal": {"gamma": gamma}}, task_of("labels"))
        expected = ((1 - right) ** gamma * -right.log()).mean()
        torch.testing.assert_close(loss(scores, MULTI), expected)


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", (0.25 + 9 + 0 + 1) / 4),
        ("l1", (0.5 + 3 + 0 + 1) / 4),
        ("huber", (0.125 + 2.5 + 0 + 0.5) / 4),
        ({"huber": {"delta": 2.0}}, (0.125 + 4 + 0 + 0.5) / 4),
    ],
)
def test_losses_of_values_equal_an_example_computed_by_hand(loss: Any, expected: float) -> None:
    values, wanted = torch.tensor([[1.5], [3.0], [2.0], [0.0]]), torch.tensor([1.0, 0, 2, 1])
    function = built(loss, ToyTask("values", Outputs(1), "values"))
    assert float(function(values, wanted)) == pytest.approx(expected)
    assert float(function(values, wanted[:, None])) == pytest.approx(expected)
    assert float(function(values, wanted.int())) == pytest.approx(expected)


def test_values_of_another_shape_are_refused_and_not_broadcast() -> None:
    function = built("mse", ToyTask("values", Outputs(2), "values"))
    with pytest.raises(InfeasibleCandidate, match=r"one shape; they are \[4, 2\] and \[4\]"):
        function(drawn(4, 2), drawn(4))


# -- masks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dice", "jaccard"])
def test_overlap_losses_equal_the_ratios_of_areas(name: str) -> None:
    scores, masks = drawn(2, CLASSES, 4, 5), MASKS.clone()
    masks[0, 0] = 255
    kept = (masks != 255)[:, None]
    shares = scores.softmax(1) * kept
    truth = torch.stack([(masks == c) for c in range(CLASSES)], 1) * kept
    both, area = (shares * truth).sum((0, 2, 3)), (shares + truth).sum((0, 2, 3))
    ratio = 2 * both / area if name == "dice" else both / (area - both)
    loss = built(name, task_of("mask", "pixel", ignore=255))
    torch.testing.assert_close(loss(scores, masks), 1 - ratio.mean())


@pytest.mark.parametrize("name", ["dice", "jaccard"])
def test_overlap_is_lossless_for_sure_and_right_scores_and_skips_absent_classes(name: str) -> None:
    masks = torch.zeros(1, 4, 5, dtype=torch.int64)
    masks[0, :2] = 1  # class 2 is absent
    scores = 50 * functional.one_hot(masks, CLASSES).movedim(-1, 1).float()
    loss = built(name, task_of("mask", "pixel"))
    assert float(loss(scores, masks)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-scores, masks)) > 0.9


def test_overlap_of_labels_takes_sigmoids() -> None:
    scores = drawn(4, CLASSES)
    p = scores.sigmoid()
    dice = 2 * (p * MULTI).sum(0) / (p + MULTI).sum(0)
    torch.testing.assert_close(built("dice", task_of("labels"))(scores, MULTI), 1 - dice.mean())


def test_share_of_cross_entropy_is_added_to_the_overlap() -> None:
    scores = drawn(2, CLASSES, 4, 5)
    task = task_of("mask", "pixel")
    both = built({"dice": {"cross_entropy": 0.25}}, task)(scores, MASKS)
    parts = [built(name, task)(scores, MASKS) for name in ("cross_entropy", "dice")]
    torch.testing.assert_close(both, 0.25 * parts[0] + 0.75 * parts[1])


# -- what does not fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "text"),
    [
        ("cross_entropy", drawn(6, 3), drawn(6), r"\[6, 3\], the targets float32 \[6\]"),
        ("cross_entropy", drawn(6, 3, 2), LABELS, r"\[6, 3, 2\], the targets int64 \[6\]"),
        ("cross_entropy", (drawn(6, 3), drawn(6, 3)), LABELS, "has 2 outputs"),
        ("mse", drawn(6, 3), {"a": drawn(6), "b": drawn(6)}, "has 2 targets"),
    ],
)
def test_outputs_and_targets_that_do_not_fit_are_refused(
    loss: str, outputs: Any, targets: Any, text: str
) -> None:
    with pytest.raises(InfeasibleCandidate, match=text):
        built(loss, ToyTask(outputs=Outputs(3)))(outputs, targets)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        ({"cross_entropy": {"class_weights": [1.0, 2.0]}}, "has 2 weights, and the task has 3"),
        ({"focal": {"class_weights": [1.0] * 4}}, "has 4 weights, and the task has 3"),
        ({"bce": {"pos_weight": [1.0, 2.0]}}, "has 2 weights, and the task has 3 labels"),
        ("no_such:thing", "No module named"),
    ],
)
def test_parameters_that_do_not_fit_the_data_are_refused(loss: Any, text: str) -> None:
    with pytest.raises((InfeasibleCandidate, ValueError), match=text):
        built(loss, task_of("class"))


def test_balanced_weights_need_classes() -> None:
    with pytest.raises(InfeasibleCandidate, match="classes 0 to 2"):
        built(
            {"cross_entropy": {"class_weights": "balanced"}}, task_of("class"), torch.tensor([0, 5])
        )


# -- your own --------------------------------------------------------------------------------------


def test_path_of_a_module_class_is_called_with_its_arguments() -> None:
    scores = drawn(6, CLASSES)
    p = scores.softmax(1)[torch.arange(6), LABELS]
    for gamma, loss in (
        (2.0, "user_losses:Focal"),
        (3.0, {"user_losses:Focal": {"gamma": 3.0}}),
        (3.0, {"python": "user_losses:Focal", "args": {"gamma": 3.0}}),
    ):
        expected = ((1 - p) ** gamma * -p.log()).mean()
        torch.testing.assert_close(built(loss, task_of("class"))(scores, LABELS), expected)


def test_path_of_a_function_receives_outputs_and_targets_as_they_are() -> None:
    outputs, targets = {"a": drawn(4, 2), "b": drawn(4)}, (drawn(4, 2), drawn(4))
    function = built({"user_losses:both": {"weight": 0.5}}, ToyTask())
    expected = functional.mse_loss(outputs["a"], targets[0]) + 0.5 * functional.l1_loss(
        outputs["b"], targets[1]
    )
    torch.testing.assert_close(function(outputs, targets), expected)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        ({"user_losses:Focal": {"gama": 3.0}}, "raised TypeError"),
        ("user_losses:NUMBER", "is a float; name a function"),
        ("user_losses:missing", "has no attribute 'missing'"),
    ],
)
def test_own_loss_that_cannot_be_made_is_refused(loss: Any, text: str) -> None:
    with pytest.raises((InfeasibleCandidate, ValueError), match=text):
        built(loss, task_of("class"))


def test_every_loss_has_a_description_and_default_options() -> None:
    for name in LOSSES.names:
        entry = LOSSES.get(name)
        assert (entry.__doc__ or "").splitlines()[0].endswith(".")
        assert entry.version >= 1
        assert entry.targets
        if name != "python":
            assert entry.Params()
    assert math.isclose(LOSSES.get("focal").Params().gamma, 2.0)
