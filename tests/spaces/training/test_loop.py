"""The training loop: its steps, reproducibility, distillation and errors."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, Data, EpochEnd, InfeasibleCandidate
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.table import Option
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

MakeData = Callable[..., Data]

STILL = {"sgd": {"lr": 1e-12, "momentum": 0.0}}
"""An optimizer that does not change the weights, so losses are those of the start."""


def make_recipe(**fields: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 1, "batch_size": 8, **fields})


def linear(data: Data, *more: nn.Module) -> Candidate:
    """Returns one linear layer, after `more`."""
    torch.manual_seed(5)
    pixels = math.prod(data.shape)
    model = nn.Sequential(nn.Flatten(), *more, nn.Linear(pixels, data.classes))
    return Candidate(model.eval(), data.shape, data.classes)


def weights(candidate: Candidate) -> torch.Tensor:
    return torch.cat([t.flatten().double() for t in candidate.model.state_dict().values()])


def watched(candidate: Candidate, recipe: Recipe, data: Data, **more: Any) -> list[EpochEnd]:
    events: list[EpochEnd] = []
    train(candidate, recipe, Context(data, report=events.append, **more), stage="pretrain")
    return events


def whole(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the training part as one batch."""
    return next(iter(data.batches("train", 10_000)))


# -- reproducibility ---------------------------------------------------------------------------


@pytest.mark.parametrize("augment", [{}, {"flip": True, "crop": 1}], ids=["plain", "augmented"])
def test_same_seed_gives_identical_weights_and_another_does_not(
    data: Data, augment: dict[str, Any]
) -> None:
    candidate = linear(data, nn.Dropout(0.5))
    recipe = make_recipe(epochs=2, optimizer="sgd", augment=augment)

    def trained(seed: int) -> torch.Tensor:
        torch.rand(3)  # another state of the global generator
        return weights(train(candidate, recipe, Context(data, seed=seed), stage="pretrain"))

    assert torch.equal(trained(1), trained(1))
    assert not torch.equal(trained(1), trained(2))


def test_input_and_global_random_state_do_not_change(
    candidate: Candidate, context: Context
) -> None:
    before = copy.deepcopy(candidate.model.state_dict())
    random = torch.get_rng_state()
    trained = train(candidate, make_recipe(), context, stage="pretrain")
    assert torch.equal(torch.get_rng_state(), random)
    now = candidate.model.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in before)
    assert len(candidate.history) == 1
    assert not torch.equal(weights(trained), weights(candidate))


def test_trained_model_is_on_the_cpu_in_evaluation_mode(
    candidate: Candidate, context: Context
) -> None:
    recipe = make_recipe(channels_last="on")
    model = train(candidate, recipe, context, stage="pretrain").model
    assert not model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(t.device.type == "cpu" and t.is_contiguous() for t in model.state_dict().values())


def test_memory_layout_does_not_change_the_result(candidate: Candidate, context: Context) -> None:
    first, second = (
        train(candidate, make_recipe(channels_last=layout), context, stage="pretrain")
        for layout in ("on", "off")
    )
    torch.testing.assert_close(weights(first), weights(second), rtol=1e-4, atol=1e-5)


# -- learning and reports ----------------------------------------------------------------------


def test_loss_falls_and_accuracy_rises(candidate: Candidate, data: Data) -> None:
    events = watched(candidate, make_recipe(epochs=12, optimizer={"adam": {"lr": 0.01}}), data)
    assert events[-1].loss < events[0].loss / 2
    assert events[-1].accuracy == 1.0


def test_report_is_called_after_each_epoch(candidate: Candidate, data: Data) -> None:
    events = watched(candidate, make_recipe(epochs=3), data)
    assert [(e.stage, e.epoch, e.epochs) for e in events] == [("pretrain", i, 3) for i in (1, 2, 3)]
    assert all(e.seconds > 0 and e.accuracy is not None for e in events)


def test_report_may_stop_the_stage(candidate: Candidate, data: Data) -> None:
    def stop(event: EpochEnd) -> None:
        raise KeyboardInterrupt(f"after epoch {event.epoch}")

    before = weights(candidate)
    with pytest.raises(KeyboardInterrupt, match="after epoch 1"):
        train(candidate, make_recipe(epochs=5), Context(data, report=stop), stage="pretrain")
    assert torch.equal(weights(candidate), before)


def test_history_step_is_json_and_has_the_recipe(candidate: Candidate, context: Context) -> None:
    recipe = make_recipe(epochs=2, optimizer="sgd", schedule="cosine")
    *before, step = train(candidate, recipe, context, stage="finetune").history
    assert tuple(before) == candidate.history
    assert step.technique == "train"
    assert step.params == {"recipe": recipe.to_json(), "distillation": None}
    assert step.info["stage"] == "finetune"
    assert json.loads(json.dumps(vars(step), allow_nan=False))["params"] == step.params


def test_zero_epochs_keep_the_weights_and_give_no_loss(
    candidate: Candidate, context: Context
) -> None:
    same = train(candidate, make_recipe(epochs=0), context, stage="finetune")
    assert torch.equal(weights(same), weights(candidate))
    assert same.history[-1].info["loss"] is None


# -- one step, against the formula -------------------------------------------------------------


@pytest.mark.parametrize("clip", [None, 0.01], ids=["whole", "clipped"])
def test_step_is_the_negative_gradient_times_the_rate(data: Data, clip: float | None) -> None:
    candidate = linear(data)
    sgd = {"sgd": {"lr": 0.5, "momentum": 0.0}}
    after = train(
        candidate,
        make_recipe(batch_size=24, optimizer=sgd, clip=clip),
        Context(data),
        stage="pretrain",
    )
    images, labels = whole(data)
    functional.cross_entropy(candidate.model(images), labels).backward()
    gradient = torch.cat([p.grad.flatten() for p in candidate.model.parameters()])  # type: ignore[union-attr]
    norm = float(gradient.norm())
    assert norm > 0.01
    scale = 1.0 if clip is None else clip / norm
    change = (weights(after) - weights(candidate)).float()
    torch.testing.assert_close(change, -0.5 * scale * gradient, rtol=1e-3, atol=1e-6)


def test_schedule_sets_the_rate_of_each_step(data: Data) -> None:
    """Two epochs of three batches: progress 0, 1/6, ...; the rate halves at each third."""
    candidate = linear(data)
    recipe = make_recipe(
        epochs=2,
        optimizer={"sgd": {"lr": 0.5, "momentum": 0.0}},
        schedule={"step": {"every": 1 / 3, "gamma": 0.5}},
    )
    after = train(candidate, recipe, Context(data, seed=0), stage="pretrain")
    by_hand = copy.deepcopy(candidate.model)
    for step, rate in enumerate([0.5, 0.5, 0.25, 0.25, 0.125, 0.125]):
        epoch, batch = divmod(step, 3)
        images, labels = list(data.batches("train", 8, seed=epoch))[batch]
        by_hand.zero_grad()
        functional.cross_entropy(by_hand(images), labels).backward()
        with torch.no_grad():
            for p in by_hand.parameters():
                assert p.grad is not None
                p -= rate * p.grad
    expected = torch.cat([p.detach().flatten().double() for p in by_hand.parameters()])
    torch.testing.assert_close(weights(after), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_loss_is_smoothed_cross_entropy(data: Data, smoothing: float) -> None:
    """The share `smoothing` of the label is spread evenly over all classes."""
    candidate = linear(data)
    [event] = watched(candidate, make_recipe(optimizer=STILL, label_smoothing=smoothing), data)
    images, labels = whole(data)
    with torch.no_grad():
        log_shares = candidate.model(images).double().log_softmax(1)
    target = torch.full_like(log_shares, smoothing / data.classes)
    target[torch.arange(len(labels)), labels] += 1 - smoothing
    assert event.loss == pytest.approx(float(-(target * log_shares).sum(1).mean()), rel=1e-5)
    right = (log_shares.argmax(1) == labels).double().mean()
    assert event.accuracy == pytest.approx(float(right))


@pytest.mark.parametrize("size", [9, 17])
def test_last_batch_of_a_single_example_is_skipped(make_data: MakeData, size: int) -> None:
    """Batch normalization cannot train on one example."""
    data = make_data(train=size)
    candidate = linear(data, nn.BatchNorm1d(64))
    after = train(candidate, make_recipe(optimizer="sgd"), Context(data), stage="pretrain")
    assert not torch.equal(weights(after), weights(candidate))
    assert weights(after).isfinite().all()


def test_mixed_precision_trains_float32_weights_to_nearly_the_same(data: Data) -> None:
    candidate = linear(data)
    sgd = {"sgd": {"lr": 0.1, "momentum": 0.0}}
    mixed, plain = (
        train(candidate, make_recipe(amp=amp, optimizer=sgd), Context(data), stage="pretrain")
        for amp in ("bfloat16", "off")
    )
    assert {p.dtype for p in mixed.model.parameters()} == {torch.float32}
    assert not torch.equal(weights(mixed), weights(plain))
    torch.testing.assert_close(weights(mixed), weights(plain), rtol=0.05, atol=0.01)


@pytest.mark.parametrize("size", [24, 20, 17])
def test_accumulated_batches_equal_one_large_batch(make_data: MakeData, size: int) -> None:
    """This includes a last group with fewer batches or a smaller last batch."""
    data = make_data(train=size)
    candidate = linear(data)
    sgd = {"sgd": {"lr": 0.5, "momentum": 0.9}}
    small, large = (
        train(
            candidate,
            make_recipe(epochs=3, batch_size=batch, accumulate=n, optimizer=sgd, clip=0.7),
            Context(data),
            stage="pretrain",
        )
        for batch, n in ((4, 4), (16, 1))
    )
    if size == 17:  # both skip the single last example
        assert small.history[-1].info["loss"] == pytest.approx(large.history[-1].info["loss"])
    torch.testing.assert_close(weights(small), weights(large), rtol=1e-4, atol=1e-6)


def test_batches_of_one_example_are_all_used(data: Data) -> None:
    events = watched(linear(data), make_recipe(batch_size=1, optimizer=STILL), data)
    whole_part = watched(linear(data), make_recipe(batch_size=24, optimizer=STILL), data)
    assert events[0].loss == pytest.approx(whole_part[0].loss, rel=1e-5)


def test_plateau_lowers_the_rate_of_later_epochs(data: Data) -> None:
    """The first epoch always improves; after each later epoch the rate falls to almost 0."""
    recipe = make_recipe(
        epochs=3,
        optimizer={"sgd": {"lr": 1e-6, "momentum": 0.0}},
        schedule={"plateau": {"patience": 1, "gamma": 1e-6, "threshold": 0.5}},
    )
    after = train(linear(data), recipe, Context(data), stage="pretrain")
    once = train(
        linear(data),
        make_recipe(epochs=2, optimizer={"sgd": {"lr": 1e-6, "momentum": 0.0}}),
        Context(data),
        stage="pretrain",
    )
    torch.testing.assert_close(weights(after), weights(once), rtol=0, atol=1e-9)


def test_examples_and_epochs_are_recorded(data: Data) -> None:
    info = (
        train(linear(data), make_recipe(epochs=3), Context(data), stage="pretrain").history[-1].info
    )
    assert info["epochs"] == 3
    assert info["examples_per_second"] == pytest.approx(3 * 24 / info["seconds"], rel=0.2)


# -- distillation ------------------------------------------------------------------------------


def teacher_of(data: Data) -> nn.Module:
    torch.manual_seed(9)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape), data.classes)).eval()


def logits_option(**params: Any) -> Option:
    from paretune.spaces.distillation.logits import Logits

    return Option("logits", Logits.Params(**params))


@pytest.mark.parametrize("batch_size", [5, 8, 24])
def test_distilled_loss_follows_the_formula_over_all_shuffled_batches(
    data: Data, batch_size: int
) -> None:
    """Each image is compared with its teacher's logits in any order of the epoch."""
    candidate, teacher = linear(data), teacher_of(data)
    events: list[EpochEnd] = []
    option = logits_option(temperature=2.0, alpha=0.25)
    context = Context(data, teacher=teacher, distillation=option, report=events.append, seed=3)
    recipe = make_recipe(epochs=2, batch_size=batch_size, optimizer=STILL)
    after = train(candidate, recipe, context, stage="finetune")
    images, labels = whole(data)
    with torch.no_grad():
        student, taught = candidate.model(images).double(), teacher(images).double()
    p, q = (taught / 2).softmax(1), (student / 2).softmax(1)
    soft = 4 * (p * (p.log() - q.log())).sum(1).mean()
    hard = functional.cross_entropy(student, labels)
    expected = float(0.75 * hard + 0.25 * soft)
    assert [e.loss for e in events] == pytest.approx([expected, expected], rel=1e-5)
    assert after.history[-1].params["distillation"] == option.dump()


def test_teacher_sees_the_augmented_images(data: Data) -> None:
    """A teacher equal to the student gives the same logits if both see the same images."""
    candidate = linear(data)
    context_losses: list[float] = []
    context = Context(
        data,
        teacher=copy.deepcopy(candidate.model),
        distillation=logits_option(alpha=1.0),
        report=lambda event: context_losses.append(event.loss),
    )
    recipe = make_recipe(epochs=2, optimizer=STILL, augment={"flip": True, "crop": 2})
    train(candidate, recipe, context, stage="finetune")
    assert context_losses == pytest.approx([0, 0], abs=1e-5)


def test_distillation_brings_the_student_closer_to_the_teacher(data: Data) -> None:
    candidate, teacher = linear(data), teacher_of(data)
    recipe = make_recipe(epochs=10, optimizer={"sgd": {"lr": 0.1}})
    context = Context(data, teacher=teacher, distillation=logits_option(alpha=1.0))
    after = train(candidate, recipe, context, stage="finetune")
    images, _ = whole(data)
    with torch.no_grad():
        answers = [m(images).softmax(1) for m in (candidate.model, after.model, teacher)]
    before, now = ((a - answers[2]).abs().mean() for a in answers[:2])
    assert now < before / 2


def test_teacher_does_not_change(data: Data) -> None:
    teacher = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, data.classes)).eval()
    before = copy.deepcopy(teacher.state_dict())
    context = Context(data, teacher=teacher, distillation=logits_option())
    train(linear(data), make_recipe(), context, stage="finetune")
    assert not teacher.training
    assert all(p.grad is None for p in teacher.parameters())
    assert all(torch.equal(t, before[name]) for name, t in teacher.state_dict().items())


@pytest.mark.parametrize("augment", [{}, {"flip": True}], ids=["plain", "augmented"])
def test_teacher_of_other_classes_is_infeasible(data: Data, augment: dict[str, Any]) -> None:
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    context = Context(data, teacher=teacher, distillation=logits_option())
    with pytest.raises(InfeasibleCandidate, match="the teacher has 5 classes, the candidate 3"):
        train(linear(data), make_recipe(augment=augment), context, stage="finetune")


def test_distillation_without_a_teacher_is_infeasible(data: Data) -> None:
    context = Context(data, distillation=logits_option())
    with pytest.raises(InfeasibleCandidate, match="distillation needs a teacher"):
        train(linear(data), make_recipe(), context, stage="finetune")


# -- infeasible candidates ---------------------------------------------------------------------


class Scaled:
    """A data set with its images multiplied by a factor."""

    def __init__(self, data: Data, by: float) -> None:
        self._data = data
        self._by = by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def batches(self, *args: Any, **more: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, labels in self._data.batches(*args, **more):
            yield images * self._by, labels


@pytest.mark.parametrize(("by", "became"), [(math.nan, "nan"), (math.inf, "nan")])
def test_loss_that_is_not_finite_is_infeasible_and_the_error_has_the_step(
    data: Data, by: float, became: str
) -> None:
    recipe = make_recipe(optimizer={"sgd": {"lr": 0.25}})
    where = (
        r"in epoch 1 by step 3 \(sgd, learning rate 0\.25; the loss of the task classification\)"
    )
    reason = rf"^the loss became {became} {where}$"
    broken: Any = Scaled(data, by)
    with pytest.raises(InfeasibleCandidate, match=reason):
        train(linear(data), recipe, Context(broken), stage="pretrain")


def test_loss_that_explodes_is_infeasible_and_the_error_has_the_epoch(data: Data) -> None:
    huge: Any = Scaled(data, 1e18)
    recipe = make_recipe(epochs=50, optimizer={"sgd": {"lr": 100.0}})
    with pytest.raises(InfeasibleCandidate, match=r"the loss became (inf|nan) in epoch \d+"):
        train(linear(data), recipe, Context(huge), stage="pretrain")


def test_weight_that_is_not_finite_at_the_end_is_infeasible(data: Data) -> None:
    """The loss of the last step is still finite, but the weights after it are not."""
    huge: Any = Scaled(data, 1e37)
    recipe = make_recipe(batch_size=24, optimizer={"sgd": {"lr": 100.0}})
    with pytest.raises(InfeasibleCandidate, match=r"1\.weight is not finite after pretrain"):
        train(linear(data), recipe, Context(huge), stage="pretrain")


class MaskedLinear(nn.Module):
    """Adds a mask of -inf to a copy of its input that has no influence, and a running maximum."""

    def __init__(self, pixels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(pixels, classes)
        self.register_buffer("mask", torch.full((pixels,), float("-inf")))
        self.register_buffer("largest", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.largest = torch.maximum(self.largest, (x.detach() * 1e30).abs().max() * self.scale)
        masked: torch.Tensor = self.linear(x * (x + self.mask).isinf())
        return masked

    scale = 0.0


def test_infinite_mask_is_no_divergence(data: Data) -> None:
    pixels = math.prod(data.shape)
    network = nn.Sequential(nn.Flatten(), MaskedLinear(pixels, data.classes))
    candidate = Candidate(network.eval(), data.shape, data.classes)
    trained = train(candidate, make_recipe(), Context(data), stage="finetune")
    assert not torch.equal(weights(trained), weights(candidate))
    assert trained.model.get_buffer("1.mask").isinf().all()


def test_buffer_that_overflows_in_training_is_infeasible(data: Data) -> None:
    pixels = math.prod(data.shape)
    masked = MaskedLinear(pixels, data.classes)
    masked.scale = 1e30
    network = nn.Sequential(nn.Flatten(), masked)
    candidate = Candidate(network.eval(), data.shape, data.classes)
    expected = (
        r"1\.largest is not finite after finetune \(1 of 1 values\): the training diverged\. A "
        "smaller learning rate or `clip` may prevent it"
    )
    with pytest.raises(InfeasibleCandidate, match=expected):
        train(candidate, make_recipe(), Context(data), stage="finetune")


# -- pruned networks ---------------------------------------------------------------------------


def test_finetuning_keeps_the_pruned_shapes_and_changes_the_weights(
    candidate: Candidate, context: Context
) -> None:
    pruned = Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=1), context)
    tuned = train(pruned, make_recipe(epochs=2), context, stage="finetune")
    shapes = [
        {name: tuple(t.shape) for name, t in c.model.state_dict().items()} for c in (pruned, tuned)
    ]
    assert shapes[0] == shapes[1]
    assert not torch.equal(weights(pruned), weights(tuned))
    images = np.zeros((2, *candidate.shape), dtype=np.float32)
    assert tuned.model(torch.from_numpy(images)).shape == (2, candidate.outputs.size)
