"""Makes each change that could help a network, and estimates the costs of the changed network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from paretune.inputs import Shape, image_shape, kind_of
from paretune.objectives.profiling.base import LayerCosts
from paretune.search.profiling.advice import changed_networks
from paretune.search.profiling.advice.advice import worst_layers
from paretune.search.profiling.advice.change import Change, EstimatedChange
from paretune.search.profiling.advice.estimates import (
    ChangeEstimate,
    NetworkCosts,
    estimate_change,
)
from paretune.search.profiling.advice.space_lines import space_line
from paretune.search.tasks import CLASSIFICATION
from paretune.task import Task


def estimated_changes(
    model: nn.Module,
    shape: Shape,
    classes: int,
    costs: NetworkCosts,
    architecture: Mapping[str, Any],
    task: Task | None = None,
) -> list[EstimatedChange]:
    """Returns the possible changes of the worst layers, then those of the whole network.

    Args:
        model: The network, on the CPU.
        shape: Shape of one input.
        classes: Number of logits.
        costs: Measured costs of the network.
        architecture: {name: parameters}.
        task: What the outputs mean; None for classes. Other architectures of this package are
            proposed for classes of images only.
    """
    changes = []
    keep = tuple(task.keep) if task else ()
    other = kind_of(shape) == "images" and (task is None or task.name == CLASSIFICATION)
    for path in worst_layers(costs):
        for change, after in _layer_changes(model, shape, classes, path, keep):
            if change in (Change.SEPARABLE, Change.POOL) and not other:
                continue
            line = space_line(change, path, architecture)
            estimate = estimate_change(costs, after, path)
            changes.append(EstimatedChange(path, change, estimate, line))
    for change, estimate, sides in _network_changes(model, shape, classes, costs, keep):
        if change == Change.LOWER and not other:
            continue
        line = space_line(change, "", architecture, sides)
        changes.append(EstimatedChange("", change, estimate, line))
    return changes


def _layer_changes(
    model: nn.Module, shape: Shape, classes: int, path: str, keep: tuple[str, ...]
) -> Iterator[tuple[Change, tuple[LayerCosts, ...]]]:
    """Yields (change, layers of the changed network) for each change of one layer."""
    networks = {
        Change.SEPARABLE: changed_networks.separable(model, path),
        Change.POOL: changed_networks.pooled(model, path, shape),
        Change.HALVE: changed_networks.pruned(model, shape, classes, path, keep),
    }
    for change, network in networks.items():
        after = changed_networks.costs(network, shape)
        if after is not None:
            yield change, after


def _network_changes(
    model: nn.Module,
    shape: Shape,
    classes: int,
    costs: NetworkCosts,
    keep: tuple[str, ...],
) -> Iterator[tuple[Change, ChangeEstimate, Sequence[int]]]:
    """Yields (change, estimate, resolutions to choose from) for changes of the whole network."""
    pruned = changed_networks.pruned(model, shape, classes, None, keep)
    after = changed_networks.costs(pruned, shape)
    if after is not None:
        yield Change.HALVE_ALL, estimate_change(costs, after), ()
    smaller = changed_networks.lower_resolution(shape)
    after = changed_networks.costs(model, smaller)
    if smaller is not None and after is not None:
        yield (
            Change.LOWER,
            estimate_change(costs, after),
            (
                min(image_shape(smaller)[1:]),
                min(image_shape(shape)[1:]),
            ),
        )
