"""Builds an initial candidate, and rebuilds a network's shape from a candidate's history."""

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
"""Technique name of the first step in every history."""


def initial_candidate(
    architecture: Mapping[str, Any], shape: Shape, classes: int, seed: int
) -> Candidate:
    """Returns a candidate with random or published weights and a history of one step.

    Raises:
        InfeasibleCandidate: No such network exists, or it does not fit the data.
    """
    network = build_network(architecture, shape, classes, seed)
    step = Step(ARCHITECTURE, {ARCHITECTURE: dict(architecture), "seed": seed})
    return Candidate(network, shape, classes, (step,))


def rebuild(history: Sequence[Step], shape: Shape, classes: int) -> torch.nn.Module:
    """Returns a fresh model in the shape after all steps of a history.

    The caller loads the weights from a state dict. Training changes no shape, so its steps are
    skipped.
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
