"""Snapshots: a training in parts gives the same weights as a training in one run, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, Data, EpochEnd
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.table import Slot
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.loop import TrainingPart, train, train_part
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.snapshot import Snapshot

NETWORK = {"resnet": {"stages": 2, "blocks": 1, "width": 8}}

REQUIRED: dict[str, dict[str, Any]] = {"torch": {"name": "NAdam", "args": {"lr": 1e-2}}}
"""Options of optimizers without defaults."""


def make_recipe(**fields: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 5, "batch_size": 8, "schedule": "cosine", **fields})


@pytest.fixture
def network(data: Data) -> Candidate:
    """A network with batch normalization, and with dropout that uses torch's generator."""
    made = initial_candidate(NETWORK, data.shape, data.classes, seed=0)
    noisy = nn.Sequential(made.model, nn.Dropout(0.2))
    return Candidate(noisy.eval(), made.shape, made.outputs)


def weights(candidate: Candidate) -> torch.Tensor:
    return torch.cat([t.flatten().double() for t in candidate.model.state_dict().values()])


def through_a_file(snapshot: Snapshot, folder: Path) -> Snapshot:
    file = folder / "state.safetensors"
    file.write_bytes(snapshot.to_bytes())
    return Snapshot.read(file)


def in_parts(
    candidate: Candidate, recipe: Recipe, context: Context, folder: Path, ends: tuple[int, ...]
) -> TrainingPart:
    """Trains in parts that end after these epochs; a file keeps the state between parts."""
    snapshot = None
    for end in ends:
        torch.rand(7)  # changes the state of the global generator
        part = train_part(candidate, recipe, context, stage="finetune", until=end, resume=snapshot)
        snapshot = through_a_file(part.snapshot, folder)
    return part


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS.names))
def test_training_in_parts_gives_identical_weights_with_each_optimizer(
    network: Candidate, context: Context, tmp_path: Path, optimizer: str
) -> None:
    recipe = make_recipe(optimizer={optimizer: REQUIRED.get(optimizer, {})})
    uninterrupted = train(network, recipe, context, stage="finetune")
    part = in_parts(network, recipe, context, tmp_path, (1, 3, 5))
    assert torch.equal(weights(part.candidate), weights(uninterrupted))
    assert part.over
    assert not torch.equal(weights(uninterrupted), weights(network))


@pytest.mark.parametrize("schedule", sorted(SCHEDULES.names))
def test_training_in_parts_gives_identical_weights_with_each_schedule(
    network: Candidate, context: Context, tmp_path: Path, schedule: str
) -> None:
    recipe = make_recipe(schedule={schedule: {"warmup": 0.3}})
    uninterrupted = train(network, recipe, context, stage="finetune")
    part = in_parts(network, recipe, context, tmp_path, (2, 5))
    assert torch.equal(weights(part.candidate), weights(uninterrupted))


@pytest.mark.parametrize(
    "fields",
    [
        {"ema": 0.9},
        {"early_stop": {"patience": 2, "best": True, "min_delta": 0.2}},
        {"monitor": "validation", "schedule": {"plateau": {"patience": 1, "threshold": 0.5}}},
        {"freeze_epochs": 2, "trunk_lr": 0.1},
        {"augment": {"flip": True, "crop": 1, "mixup": 0.4, "randaugment": {"operations": 1}}},
        {"amp": "bfloat16", "clip": 0.5, "accumulate": 2},
        {"amp": "float16", "optimizer": {"sgd": {"lr": 0.05}}},
        {"channels_last": "on", "optimizer": {"adamw": {"lr": 1e-2}}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_training_in_parts_gives_identical_weights_with_each_recipe_option(
    data: Data, context: Context, tmp_path: Path, fields: dict[str, Any]
) -> None:
    network = initial_candidate(NETWORK, data.shape, data.classes, seed=0)
    recipe = make_recipe(**fields)
    uninterrupted = train(network, recipe, context, stage="finetune")
    part = in_parts(network, recipe, context, tmp_path, (1, 2, 4, 5))
    assert torch.equal(weights(part.candidate), weights(uninterrupted))
    assert uninterrupted.history[-1].info["epochs"] == part.candidate.history[-1].info["epochs"]
    assert uninterrupted.history[-1].info.get("stopped") == part.candidate.history[-1].info.get(
        "stopped"
    )


@pytest.mark.parametrize("name", ["logits", "hints"])
def test_training_in_parts_gives_identical_weights_with_a_teacher(
    data: Data, tmp_path: Path, name: str
) -> None:
    network = initial_candidate(NETWORK, data.shape, data.classes, seed=0)
    teacher = initial_candidate(
        {"resnet": {"stages": 2, "blocks": 1, "width": 16}}, data.shape, 3, seed=1
    )
    option = Slot(DISTILLATIONS).option({name: {}})
    context = Context(data, teacher=teacher.model.eval(), distillation=option)
    uninterrupted = train(network, make_recipe(), context, stage="finetune")
    part = in_parts(network, make_recipe(), context, tmp_path, (2, 5))
    assert torch.equal(weights(part.candidate), weights(uninterrupted))


class EachEpoch:
    """Saves a snapshot after each epoch."""

    def __init__(self) -> None:
        self.saved: list[Snapshot] = []

    def is_due(self) -> bool:
        return True

    def save(self, snapshot: Snapshot) -> None:
        self.saved.append(snapshot)


def test_lost_training_goes_on_from_any_saved_snapshot_with_identical_weights(
    network: Candidate, context: Context, tmp_path: Path
) -> None:
    recipe, saver = make_recipe(ema=0.9), EachEpoch()
    uninterrupted = train(network, recipe, context, stage="finetune")
    saving = train(network, recipe, context, stage="finetune", saver=saver)
    assert torch.equal(weights(saving), weights(uninterrupted))
    assert [snapshot.epoch for snapshot in saver.saved] == [1, 2, 3, 4]
    for snapshot in saver.saved:
        resume = through_a_file(snapshot, tmp_path)
        goes_on = train(network, recipe, context, stage="finetune", resume=resume)
        assert torch.equal(weights(goes_on), weights(uninterrupted))
        assert goes_on.history[-1].info["epochs"] == 5


def test_part_equals_a_training_of_as_many_epochs(network: Candidate, context: Context) -> None:
    """This holds for an endless schedule."""
    recipe, short = (make_recipe(epochs=n, schedule="constant", ema=0.5) for n in (5, 2))
    part = train_part(network, recipe, context, stage="finetune", until=2)
    assert not part.over
    assert torch.equal(weights(part.candidate), weights(train(network, short, context, stage="x")))


def test_longer_training_continues_a_shorter_one_when_the_schedule_is_endless(
    network: Candidate, context: Context, tmp_path: Path
) -> None:
    short, long = (make_recipe(epochs=n, schedule="constant") for n in (2, 5))
    first = train_part(network, short, context, stage="finetune", until=2)
    assert first.over
    resume = through_a_file(first.snapshot, tmp_path)
    last = train_part(network, long, context, stage="finetune", until=5, resume=resume)
    assert torch.equal(
        weights(last.candidate), weights(train(network, long, context, stage="finetune"))
    )


def test_each_epoch_is_reported_once_and_the_curve_has_all(
    network: Candidate, data: Data, tmp_path: Path
) -> None:
    events: list[EpochEnd] = []
    part = in_parts(
        network, make_recipe(), Context(data, report=events.append), tmp_path, (2, 3, 5)
    )
    assert [event.epoch for event in events] == [1, 2, 3, 4, 5]
    assert [point["epoch"] for point in part.snapshot.curve] == [1, 2, 3, 4, 5]
    assert [point["loss"] for point in part.snapshot.curve] == [event.loss for event in events]


def test_training_that_stopped_early_stays_stopped(network: Candidate, context: Context) -> None:
    recipe = make_recipe(early_stop={"patience": 1, "min_delta": 100})
    first = train_part(network, recipe, context, stage="finetune", until=5)
    assert first.over
    assert first.snapshot.epoch == 2
    again = train_part(network, recipe, context, stage="finetune", until=5, resume=first.snapshot)
    assert again.snapshot.epoch == 2
    assert torch.equal(weights(again.candidate), weights(first.candidate))


def test_snapshot_of_another_network_is_refused(data: Data, context: Context) -> None:
    one, other = (
        initial_candidate({"simple_cnn": {"width": width}}, data.shape, data.classes, seed=0)
        for width in (0.125, 0.25)
    )
    part = train_part(one, make_recipe(), context, stage="finetune", until=1)
    with pytest.raises(ValueError, match="of another network"):
        train_part(other, make_recipe(), context, stage="finetune", until=2, resume=part.snapshot)


def test_damaged_file_is_refused(network: Candidate, context: Context, tmp_path: Path) -> None:
    part = train_part(network, make_recipe(), context, stage="finetune", until=1)
    file = tmp_path / "state.safetensors"
    file.write_bytes(part.snapshot.to_bytes()[:-100])
    with pytest.raises(ValueError, match="no snapshot of a training"):
        Snapshot.read(file)


def test_state_that_is_neither_tensor_nor_json_is_refused() -> None:
    with pytest.raises(TypeError, match=r"state\.odd is a object; a snapshot holds tensors"):
        Snapshot(1, 1.0, {"odd": object()}).to_bytes()
