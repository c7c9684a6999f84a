"""Builds an initial candidate, and rebuilds a network's shape from a candidate's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Candidate, Step
from paretune.spaces.elastic import SUBNETS
from paretune.spaces.keeping import kept_modules
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.task import Outputs, outputs_of

if TYPE_CHECKING:
    import torch

TABLES = (PRUNINGS, QUANTIZATIONS, SUBNETS)
"""Techniques that change shapes, which `rebuild` repeats."""

ARCHITECTURE = "architecture"
"""Technique name of the first step in every history."""


def initial_candidate(
    architecture: Mapping[str, Any],
    shape: Shape,
    outputs: Outputs | int,
    seed: int,
    keep: tuple[str, ...] = (),
) -> Candidate:
    """Returns a candidate with random or published weights and a history of one step.

    Raises:
        InfeasibleCandidate: No such network exists, it does not fit the data, or a pattern of
            `keep` names none of its layers.
    """
    network = build_network(architecture, shape, outputs, seed)
    kept_modules(network, keep)  # refuses a pattern that names nothing
    step = Step(ARCHITECTURE, {ARCHITECTURE: dict(architecture), "seed": seed})
    return Candidate(network, shape, outputs_of(outputs), (step,), keep=keep)


def rebuild(history: Sequence[Step], shape: Shape, outputs: Outputs | int) -> torch.nn.Module:
    """Returns a fresh model in the shape after all steps of a history.

    The caller loads the weights from a state dict. Training changes no shape, so its steps are
    skipped.
    """
    first, *rest = history
    network = build_network(first.params[ARCHITECTURE], shape, outputs, first.params["seed"])
    for step in rest:
        table = next((t for t in TABLES if t.accepts(step.technique)), None)
        if table is not None:
            technique = table.get(step.technique)
            params = technique.Params.model_validate(dict(step.params))
            network = technique.rebuild(network, params, step.info, shape)
    return network
