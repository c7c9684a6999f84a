"""The network of a plan before its first training: random, from a library, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from paretune.inputs import Shape
from paretune.search.building.watch import WeightsError
from paretune.search.study.spec import checkpoint_file, checkpoint_key
from paretune.spaces.architecture import OWN_CODE
from paretune.spaces.architecture.checkpoint import load_weights
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Candidate
from paretune.spaces.rebuild import initial_candidate
from paretune.task import Outputs

NOTES = "weights"
"""Key of the notes on loaded weights, in the first step of a history and in artifacts."""


def first_candidate(
    params: Mapping[str, Any],
    shape: Shape,
    outputs: Outputs | int,
    seed: int,
    folder: Path,
    keep: tuple[str, ...] = (),
) -> Candidate:
    """Returns the network of a pretrain stage before its training, in evaluation mode.

    The first step of its history has notes on what was unwrapped in a checkpoint (`notes_of`).

    Args:
        params: Parameters of a pretrain stage.
        shape: Shape of one input.
        outputs: What the task needs of a network.
        seed: Seed of random weights.
        folder: Folder of the study file.
        keep: Patterns of layers that no pruning or quantization changes.

    Raises:
        InfeasibleCandidate: The network cannot be built for these inputs.
        WeightsError: The checkpoint does not fit or cannot be read; or the user's code makes a
            network with random weights that nothing trains.
    """
    candidate = initial_candidate(params["architecture"], shape, outputs, seed, keep)
    checkpoint = params["checkpoint"]
    if checkpoint:
        notes = _loaded(candidate.model, folder / checkpoint_file(checkpoint), checkpoint)
        if notes:
            first, *rest = candidate.history
            step = replace(first, info={**first.info, NOTES: notes})
            candidate = replace(candidate, history=(step, *rest))
    elif params["recipe"] is None and OWN_CODE in params["architecture"]:
        _refuse_random(candidate, params["architecture"], seed)
    candidate.model.eval()
    return candidate


def notes_of(candidate: Candidate) -> list[str]:
    """Returns what was done to load a candidate's first weights, in words; mostly empty."""
    return list(candidate.history[0].info.get(NOTES, ())) if candidate.history else []


def _loaded(network: torch.nn.Module, file: Path, checkpoint: Any) -> list[str]:
    try:
        return load_weights(network, file, checkpoint_key(checkpoint))
    except ValueError as error:
        raise WeightsError(str(error)) from error


def _refuse_random(candidate: Candidate, architecture: Mapping[str, Any], seed: int) -> None:
    """Refuses a network of the user's code if another seed gives other weights.

    Code that loads weights itself gives the same ones with every seed.
    """
    other = build_network(architecture, candidate.shape, candidate.outputs, seed + 1).state_dict()
    for name, tensor in candidate.model.state_dict().items():
        if name not in other or not _same(tensor, other[name]):
            factory = architecture[OWN_CODE]["factory"]
            raise WeightsError(
                f"{factory} makes a network with random weights: {name} differs between two "
                "calls. Give its weights as a checkpoint, or train it: pretrain: (a recipe). "
                "pretrain: {epochs: 0} accepts random weights"
            )


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and bool(
        torch.equal(first, second)
        or torch.allclose(first.double(), second.double(), rtol=0, atol=0, equal_nan=True)
    )
