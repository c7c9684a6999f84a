"""The batches of a user's task become its data."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.inputs import Signature
from paretune.search.data import load_data
from paretune.search.data.loader_dataset import LoaderDataset
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

MODULE = """
import torch
from torch.utils.data import DataLoader, TensorDataset

def batch(part, width=5):
    seed = ["train", "validation", "test"].index(part)
    x = torch.rand(4, 3, width, generator=torch.Generator().manual_seed(seed))
    return x, {"boxes": torch.zeros(seed + 1, 6)}

class Task:
    def __init__(self, kind="list"):
        self.kind = kind

    def model(self):
        return torch.nn.Conv1d(3, 2, 1)

    def batches(self, part):
        return getattr(self, self.kind)(part)

    def loss(self, outputs, targets):
        return outputs.mean()

    def score(self, predict, part):
        return {"score": 1.0}

    def list(self, part):
        return [batch(part)] * 3

    def generator(self, part):
        yield from [batch(part)] * 3

    def loader(self, part):
        return DataLoader(TensorDataset(batch(part)[0], torch.arange(4)), 2)

    def dataset(self, part):
        return TensorDataset(batch(part)[0], torch.arange(4))

    def no_test(self, part):
        return None if part == "test" else [batch(part)]

    def unknown_test(self, part):
        return {"train": [batch(part)], "validation": [batch(part)]}[part]

    def broken_test(self, part):
        if part == "test":
            raise ValueError("no labels")
        return [batch(part)]

    def empty(self, part):
        return []

    def random(self, part):
        return [(torch.rand(4, 3, 5), 0)] if part == "train" else Random()

    def sizes(self, part):
        return [batch(part), batch(part, 6)]

class Random:
    def __iter__(self):
        yield torch.rand(4, 3, 5), torch.zeros(4)

class Varying(Task):
    dynamic = {1: "length"}

class Misnamed(Task):
    dynamic = {2: "length"}
"""

NAMES = (f"own_task_{number}" for number in itertools.count())
Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads the data of a task whose batches are of a kind."""
    name = next(NAMES)
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)

    def loaded(kind: str, task: str = "Task") -> Any:
        choice = TaskChoice("python", {"factory": f"{name}:{task}", "args": {"kind": kind}})
        return load_data("none", {}, tmp_path, task=choice)

    yield loaded
    sys.modules.pop(name, None)


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_batches_of_a_task_can_be_read_again_and_again(load: Load, kind: str) -> None:
    data = load(kind)

    assert isinstance(data, LoaderDataset)
    assert data.shape == (3, 5)
    assert data.loader_batch == 4
    assert data.facts is None
    assert data.class_names == []
    for _ in range(2):
        batches = list(data.batches("train", 99, seed=1))
        assert len(batches) == 3
        assert batches[0][1]["boxes"].shape == (1, 6)
    assert data.info()["sizes"] == {"train": 12, "validation": 12, "test": 12}
    assert data.fingerprint == load(kind).fingerprint


def test_loaders_and_datasets_of_a_task_are_taken(load: Load) -> None:
    assert load("loader").loader_batch == 2
    assert load("loader").size("train") == 4
    assert load("dataset").loader_batch is None
    assert load("dataset").order("train", 1) is not None


@pytest.mark.parametrize("kind", ["no_test", "unknown_test"])
def test_task_may_have_no_test_part(load: Load, kind: str) -> None:
    data = load(kind)

    assert data.size("test") == 0
    assert data.info()["no_test"].startswith("There is no test part, because the task's batches(\"")


def test_declared_axes_may_vary(load: Load) -> None:
    data = load("sizes", "Varying")

    assert isinstance(data.shape, Signature)
    assert data.shape.inputs[0].dynamic == ((1, "length"),)
    assert [x.shape[-1] for x, _ in data.batches("train", 4)] == [5, 6]


@pytest.mark.parametrize(
    ("kind", "task", "message"),
    [
        ("empty", "Task", r"validation: there are no batches; the part is empty"),
        ("random", "Task", r"validation: batch 1 differs between two passes, but it must be the"),
        ("broken_test", "Task", r"batches\('test'\): ValueError: no labels"),
        ("sizes", "Task", r"validation: batch 2: the input is float32 \[4, 3, 6\], .* dynamic"),
        ("sizes", "Misnamed", r"dynamic names axis 2 of the input; an example has the axes 0 to 1"),
    ],
)
def test_task_is_refused_with_the_reason(load: Load, kind: str, task: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^task: own_task_.*{message}"):
        load(kind, task)


def test_batches_are_on_the_device_that_is_asked_for(load: Load) -> None:
    inputs, targets = next(load("list").batches("train", 4, device="meta"))

    assert inputs.device == targets["boxes"].device == torch.device("meta")
