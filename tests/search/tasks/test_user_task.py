"""The user's own task: its members, its identity, and what its errors say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from paretune.search.errors import UserError
from paretune.search.tasks.python import network, user_task
from paretune.spaces.base import InfeasibleCandidate

TASK = """
import torch
from torch import nn

class Plates:
    version = 3
    keep = "head*"

    def __init__(self, width=4):
        self.width = width

    def model(self):
        return nn.Sequential(nn.Linear(3, self.width), nn.ReLU(), nn.Linear(self.width, 2))

    def batches(self, part):
        return [(torch.ones(5, 3), torch.tensor([0, 1, 0, 1, 0]))]

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

    def score(self, predict, part):
        return {"right": 1.0}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`module(name, text)` writes a module that can be imported, and returns its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = []

    def write(name: str, text: str = TASK) -> str:
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        names.append(name)
        return name

    yield write  # type: ignore[misc]
    for name in names:
        sys.modules.pop(name, None)


def test_task_takes_version_keep_and_arguments_from_the_object(module: Callable[..., str]) -> None:
    path = f"{module('plates_a')}:Plates"
    task = user_task(path, {"width": 8})
    assert task.keep == ("head*",)
    assert task.identity() == {"task": path, "args": {"width": 8}, "version": 3}
    assert list(task.code()) == [path]
    assert task.train is None
    assert task.distill(torch.ones(1), torch.ones(1), None) is None


def test_factory_is_called_once_for_the_same_arguments(module: Callable[..., str]) -> None:
    path = f"{module('plates_b')}:Plates"
    assert user_task(path, {}) is user_task(path, {})
    assert user_task(path, {}) is not user_task(path, {"width": 8})


def test_network_has_new_weights_each_time(module: Callable[..., str]) -> None:
    path = f"{module('plates_c')}:Plates"
    first, second = network(path, {"width": 6}), network(path, {"width": 6})
    assert first[0].weight.shape == (6, 3)
    assert not torch.equal(first[0].weight, second[0].weight)


def test_outputs_are_class_scores_if_targets_are_classes(module: Callable[..., str]) -> None:
    assert user_task(f"{module('plates_d')}:Plates", {}).class_scores
    values = TASK.replace("torch.tensor([0, 1, 0, 1, 0])", "torch.ones(5, 2)")
    assert not user_task(f"{module('plates_e', values)}:Plates", {}).class_scores
    says = TASK.replace("version = 3", "version = 3\n    class_scores = False")
    assert not user_task(f"{module('plates_f', says)}:Plates", {}).class_scores


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("def loss(", "def lost(", r"has no member `loss`; write def loss\(self, outputs, targets"),
        ("def model(self)", "def model(self, part)", r"model: missing a required argument: 'part'"),
        (
            "def score(self, predict, part)",
            "def score(self, predict)",
            "score: too many",
        ),
        ('keep = "head*"', "keep = 3", r'keep is 3; give names of layers: keep = \["head\*"\]'),
        ("self.width = width", "self.width = 1 / 0", "raised ZeroDivisionError: division by zero"),
        ("import torch\n", "import no_such_package\n", "No module named 'no_such_package'"),
    ],
)
def test_wrong_task_is_refused_with_what_to_write(
    module: Callable[..., str], request: pytest.FixtureRequest, old: str, new: str, text: str
) -> None:
    name = f"plates_{abs(hash(new))}"
    with pytest.raises(UserError, match=text) as error:
        user_task(f"{module(name, TASK.replace(old, new, 1))}:Plates", {})
    assert str(error.value).startswith(f"task: {name}:Plates")


def test_missing_class_is_refused(module: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="has no attribute 'Plate'; is it installed"):
        user_task(f"{module('plates_g')}:Plate", {})


@pytest.mark.parametrize(
    ("returned", "text"),
    [("[1]", "model returned a list, not a torch.nn.Module"), ("1 / 0", "model raised ZeroDivis")],
)
def test_model_that_is_no_module_is_infeasible(
    module: Callable[..., str], returned: str, text: str
) -> None:
    model = "nn.Sequential(nn.Linear(3, self.width), nn.ReLU(), nn.Linear(self.width, 2))"
    name = module(f"plates_{len(returned)}", TASK.replace(model, returned))
    with pytest.raises(InfeasibleCandidate, match=text):
        network(f"{name}:Plates", {})


def test_model_that_returns_one_network_each_time_is_copied(module: Callable[..., str]) -> None:
    shared = TASK.replace(
        "self.width = width", "self.width = width; self.net = nn.Linear(3, 2)"
    ).replace("return nn.Sequential(", "return self.net  # (")
    path = f"{module('plates_shared', shared)}:Plates"
    with torch.no_grad():
        for tensor in network(path, {}).parameters():
            tensor.zero_()
        assert all(float(tensor.abs().sum()) > 0 for tensor in network(path, {}).parameters())
