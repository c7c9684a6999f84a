"""The training loop with tasks other than classification, and with a user's own loader."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.inputs import Input, Signature
from paretune.spaces.base import Candidate, Context, EpochEnd, InfeasibleCandidate
from paretune.spaces.table import Option
from paretune.spaces.training.loop import train, train_part
from paretune.spaces.training.recipe import Recipe
from paretune.task import Outputs
from support.tasks import ToyTask, ToyTaskData, classification

STILL = {"sgd": {"lr": 1e-12, "momentum": 0.0}}
"""An optimizer that does not change the weights, so losses are those of the start."""


def recipe_of(**fields: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 1, "batch_size": 8, **fields})


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained(
    model: nn.Module, data: Any, recipe: Recipe, **more: Any
) -> tuple[Candidate, list[EpochEnd]]:
    events: list[EpochEnd] = []
    candidate = Candidate(model.eval(), data.shape, data.task.outputs)
    context = Context(data, report=events.append, **more)
    return train(candidate, recipe, context, stage="finetune"), events


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def regression(count: int = 20, loader_batch: int | None = None) -> ToyTaskData:
    inputs = drawn(count, 4)
    targets = inputs @ drawn(4, 2, seed=1)
    task = ToyTask("regression", Outputs(2), "values")
    return ToyTaskData(task, (4,), inputs, targets, loader_batch)


class TwoInputs(nn.Module):
    """Two inputs by name, two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 5), nn.Linear(3, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, image: torch.Tensor, extra: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.left(image) + self.right(extra)
        return {"values": self.head(features), "features": features}


def two_inputs(form: Any = "dict") -> ToyTaskData:
    inputs: Any = {"image": drawn(12, 4), "extra": drawn(12, 3, seed=1)}
    if form == "tuple":
        inputs = tuple(inputs.values())
    signature = Signature((Input("image", (4,)), Input("extra", (3,))), form)
    targets = {"a": drawn(12, 2, seed=2), "b": drawn(12, seed=3)}

    def loss(outputs: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor]) -> Any:
        first = functional.mse_loss(outputs["values"], targets["a"])
        return first + functional.l1_loss(outputs["features"].mean(1), targets["b"])

    return ToyTaskData(ToyTask(batch_loss=loss), signature, inputs, targets)


# -- losses ----------------------------------------------------------------------------------------


def test_values_are_learned_and_the_epoch_has_no_accuracy() -> None:
    data = regression()
    recipe = recipe_of(epochs=60, optimizer={"adam": {"lr": 0.05}})
    made, events = trained(nn.Linear(4, 2), data, recipe)
    assert events[-1].loss < events[0].loss / 100
    assert {event.accuracy for event in events} == {None}
    expected = functional.mse_loss(made.model(drawn(20, 4)), drawn(20, 4) @ drawn(4, 2, seed=1))
    assert float(expected.detach()) < events[0].loss / 50


@pytest.mark.parametrize(
    ("loss", "function"), [("l1", functional.l1_loss), ("mse", functional.mse_loss)]
)
def test_recipe_s_loss_replaces_that_of_the_task(loss: str, function: Any) -> None:
    data, model = regression(), nn.Linear(4, 2)
    _, [event] = trained(model, data, recipe_of(loss=loss, optimizer=STILL))
    inputs, targets = next(data.batches("train", 100))
    expected = float(function(model(inputs), targets).detach())
    assert event.loss == pytest.approx(expected, rel=1e-5)


def test_history_has_the_loss_and_no_field_where_there_is_none() -> None:
    data = regression()
    for loss, expected in (("l1", {"l1": {}}), (None, None)):
        made, _ = trained(nn.Linear(4, 2), data, recipe_of(loss=loss))
        recipe = made.history[-1].params["recipe"]
        assert recipe.get("loss") == expected
        assert ("loss" in recipe) == (loss is not None)


def test_validation_loss_is_that_of_the_recipe_and_ends_the_training() -> None:
    data, model = regression(), nn.Linear(4, 2)
    stop = {"monitor": "validation", "early_stop": {"patience": 2}}
    made, events = trained(model, data, recipe_of(epochs=9, loss="l1", optimizer=STILL, **stop))
    assert made.history[-1].info["stopped"] == "validation loss has not improved for 2 epochs"
    assert len(events) == 3


@pytest.mark.parametrize("form", ["dict", "tuple"])
def test_several_inputs_and_outputs_go_through_training_and_its_parts(form: str) -> None:
    data = two_inputs(form)
    torch.manual_seed(0)
    model, recipe = TwoInputs(), recipe_of(epochs=4, ema=0.9, monitor="validation")
    whole, events = trained(model, data, recipe)
    assert events[-1].loss < events[0].loss
    candidate = Candidate(model.eval(), data.shape, data.task.outputs)
    first = train_part(candidate, recipe, Context(data), stage="finetune", until=2)
    last = train_part(
        candidate, recipe, Context(data), stage="finetune", until=4, resume=first.snapshot
    )
    assert same(last.candidate.model, whole.model)


def test_masks_are_learned_with_ignored_pixels() -> None:
    images = drawn(12, 1, 6, 6)
    masks = (images[:, 0] > 0).long()
    masks[:, 0] = 9
    task = ToyTask(
        "segmentation",
        Outputs(2, "pixel"),
        "mask",
        class_scores=True,
        ignore=9,
        batch_loss=lambda o, t: functional.cross_entropy(o, t, ignore_index=9),
    )
    data = ToyTaskData(task, (1, 6, 6), images, masks)
    recipe = recipe_of(
        epochs=20, optimizer={"adam": {"lr": 0.1}}, augment={"flip": True, "crop": 2}, loss="dice"
    )
    made, events = trained(nn.Conv2d(1, 2, 1), data, recipe)
    assert events[-1].loss < 0.2 < events[0].loss
    assert float((made.model(images).argmax(1) == masks)[:, 1:].float().mean()) > 0.9


# -- a user's loader -------------------------------------------------------------------------------


def test_loader_fixes_the_batch_and_gives_the_same_as_that_batch_size() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    recipe = {"epochs": 3, "schedule": "cosine", "accumulate": 2}
    fixed, _ = trained(model, regression(loader_batch=6), recipe_of(batch_size=64, **recipe))
    plain, _ = trained(model, regression(), recipe_of(batch_size=6, **recipe))
    assert same(fixed.model, plain.model)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_loader_may_give_fewer_or_more_batches_than_its_size_tells(steps: int) -> None:
    """Every gradient is used: the last group of accumulated batches may be incomplete."""
    data = regression(24, loader_batch=8)
    batches = list(data.batches("train", 8))
    data.batches = lambda *a, **k: iter((batches * 2)[:steps])  # type: ignore[method-assign]
    model = nn.Linear(4, 2)
    recipe = recipe_of(accumulate=2, schedule="cosine", optimizer={"sgd": {"lr": 0.1}})
    made, [event] = trained(model, data, recipe)
    assert not same(made.model, model)
    assert math.isfinite(event.loss)
    assert made.history[-1].info["epochs"] == 1


def test_loader_that_is_used_up_is_refused() -> None:
    data = regression(24, loader_batch=8)
    once = data.batches("train", 8)
    data.batches = lambda *a, **k: once  # type: ignore[method-assign]
    with pytest.raises(
        InfeasibleCandidate, match="no batch in epoch 2: it is empty, or its loader"
    ):
        trained(nn.Linear(4, 2), data, recipe_of(epochs=2))


def test_teacher_runs_on_each_batch_of_a_loader() -> None:
    from paretune.spaces.distillation.logits import Logits

    torch.manual_seed(0)
    model, teacher = nn.Linear(4, 2), nn.Linear(4, 2).eval()
    option = Option("logits", Logits.Params(alpha=1.0))
    losses = []
    for loader in (None, 8):
        data = regression(loader_batch=loader)
        recipe = recipe_of(optimizer=STILL)
        losses += trained(model, data, recipe, teacher=teacher, distillation=option)[1]
    inputs = drawn(20, 4)
    expected = float(functional.mse_loss(model(inputs), teacher(inputs)).detach())
    assert [event.loss for event in losses] == pytest.approx([expected, expected], rel=1e-5)


# -- what cannot be right --------------------------------------------------------------------------


def images_of(task: Any) -> ToyTaskData:
    return ToyTaskData(task, (1, 4, 4), drawn(8, 1, 4, 4), torch.arange(8) % 3)


@pytest.mark.parametrize(
    ("targets", "augment", "text"),
    [
        ("boxes", {"flip": True}, "augment.flip does not change boxes in step"),
        ("boxes", {"mixup": 0.2}, "augment.mixup does not change boxes in step"),
        ("mask", {"cutmix": 1.0}, "augment.cutmix does not change masks .* these fit: flip, crop"),
        ("mask", {"randaugment": {"operations": 2}}, "augment.randaugment does not change masks"),
        ("values", {"mixup": 0.2}, "augment.mixup does not change values"),
        (None, {"crop": 1}, "augment.crop cannot change the targets of your own task"),
    ],
)
def test_augmentation_that_would_part_images_and_targets_is_refused(
    targets: Any, augment: dict[str, Any], text: str
) -> None:
    data = images_of(ToyTask(outputs=Outputs(3), targets=targets))
    with pytest.raises(InfeasibleCandidate, match=text):
        trained(nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), data, recipe_of(augment=augment))


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((4,), "the data is rows of a table"),
        ((2, 6), "the data is series"),
        (
            Signature((Input("a", (1, 4, 4)), Input("b", (2,))), "tuple"),
            "the data is tensors of an",
        ),
    ],
)
def test_augmentation_of_other_inputs_than_images_is_refused(shape: Any, text: str) -> None:
    data = images_of(classification(3))
    data.shape = shape
    with pytest.raises(InfeasibleCandidate, match=f"augment.flip changes images, but {text}"):
        trained(nn.Linear(4, 3), data, recipe_of(augment={"flip": True}))


def test_mixing_works_with_any_loss_of_classes() -> None:
    """Mixed in equal parts of the same image, the loss is the mean over both labels."""
    images = torch.ones(8, 1, 4, 4)
    labels = torch.tensor([0, 1] * 4)
    data = ToyTaskData(classification(2), (1, 4, 4), images, labels)
    data._order = lambda seed: torch.arange(8)  # type: ignore[method-assign]
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    recipe = recipe_of(loss={"focal": {"gamma": 1.5}}, augment={"mixup": 1.0}, optimizer=STILL)
    _, [event] = trained(model, data, recipe)
    p = model(images).softmax(1).detach()
    each = ((1 - p) ** 1.5 * -p.log())[0]
    assert event.loss == pytest.approx(float(each.mean()), rel=1e-5)


# -- frozen trunks ---------------------------------------------------------------------------------


def test_layers_that_a_task_keeps_are_the_last_ones_where_outputs_are_its_own() -> None:
    data = two_inputs()
    data.task.keep = ("he*",)
    model = TwoInputs()
    made, _ = trained(model, data, recipe_of(freeze_epochs=1))
    assert same(made.model.left, model.left)
    assert not same(made.model.head, model.head)


def test_freezing_is_refused_where_no_layer_is_the_last_one() -> None:
    with pytest.raises(InfeasibleCandidate, match="name them in its `keep`"):
        trained(TwoInputs(), two_inputs(), recipe_of(freeze_epochs=1))


def test_model_of_the_caller_does_not_change() -> None:
    data, model = two_inputs(), TwoInputs()
    before = copy.deepcopy(model)
    trained(model, data, recipe_of(epochs=2))
    assert same(model, before)
