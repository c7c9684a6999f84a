"""Advice for a network of any task names what its study can search."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from paretune.inputs import Shape
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.search.profiling.advice.change import Change
from paretune.search.profiling.advice.estimated_changes import estimated_changes
from paretune.search.profiling.advice.estimates import NetworkCosts
from support.nest_networks import AnyTask
from support.tasks import classification

IMAGE: Shape = (3, 96, 96)


class Net(nn.Module):
    """Two convolutions and a head that may give several outputs."""

    def __init__(self, several: bool) -> None:
        super().__init__()
        self.first, self.body = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.head, self.several = nn.Linear(32, 8), several

    def forward(self, x: torch.Tensor) -> Any:
        y = self.head(self.body(self.first(x).relu()).relu().mean((2, 3)))
        return {"first": y, "second": 2 * y} if self.several else y


def changes_of(task: Any, several: bool) -> set[tuple[str, Change]]:
    model = Net(several).eval()
    layers = layer_costs(model, IMAGE)
    times = {layer.path: 1.0 for layer in layers}
    costs = NetworkCosts(layers, times, 0.0, 1e6)
    architecture = {"python": {"factory": "mine:Net", "args": {}}}
    changes = estimated_changes(model, IMAGE, 8, costs, architecture, task)
    return {(change.layer, change.kind) for change in changes}


def test_classifier_of_images_may_become_another_architecture() -> None:
    changes = changes_of(classification(8), several=False)
    assert ("body", Change.SEPARABLE) in changes
    assert ("", Change.LOWER) in changes


def test_network_of_another_task_keeps_its_architecture() -> None:
    changes = changes_of(AnyTask(), several=True)
    assert {change for _, change in changes} == {Change.HALVE, Change.HALVE_ALL}


def test_layers_that_the_task_keeps_are_not_proposed() -> None:
    assert ("body", Change.HALVE) in changes_of(AnyTask(), several=True)
    kept = changes_of(AnyTask(keep=("body",)), several=True)
    assert ("body", Change.HALVE) not in kept
