"""A candidate from nothing, and a model's shape from a candidate's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Candidate, Step
from paretune.spaces.inputs import Shape
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS

if TYPE_CHECKING:
    import torch

ARCHITECTURE = "architecture"
"""The technique of every history's first step."""


def initial_candidate(
    architecture: Mapping[str, Any], shape: Shape, classes: int, seed: int
) -> Candidate:
    """A candidate with random weights (or the ones its library ships) and a history of one step.

    Raises:
        InfeasibleCandidate: There is no such network, or it does not fit the data.
    """
    network = build_network(architecture, shape, classes, seed)
    step = Step(ARCHITECTURE, {ARCHITECTURE: dict(architecture), "seed": seed})
    return Candidate(network, shape, classes, (step,))


def rebuild(history: Sequence[Step], shape: Shape, classes: int) -> torch.nn.Module:
    """A fresh model of the shape that a history leads to; the weights follow as a state dict.

    Training changes no shape: its steps are passed over.
    """
    first, *rest = history
    network = build_network(first.params[ARCHITECTURE], shape, classes, first.params["seed"])
    for step in rest:
        table = next((t for t in (PRUNINGS, QUANTIZATIONS) if t.accepts(step.technique)), None)
        if table is not None:
            technique = table.get(step.technique)
            params = technique.Params.model_validate(dict(step.params))
            network = technique.rebuild(network, params, step.info, shape)
    return network
