"""Builds a network by name and checks that it fits the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from spaces.architecture import ARCHITECTURES
from spaces.base import InfeasibleCandidate


def build_network(
    architecture: Mapping[str, Any], shape: tuple[int, int, int], classes: int, seed: int
) -> torch.nn.Module:
    """A fresh network in evaluation mode; torch's global random state is left as it was.

    Args:
        architecture: {name: {parameters}}.
        shape: (C, H, W) of one image.
        classes: Number of logits.
        seed: Draws the weights.

    Raises:
        InfeasibleCandidate: There is no such network, or it does not fit the data.
        ValueError: The name or the parameters are wrong.
    """
    name, given = ARCHITECTURES.pick(architecture)
    entry = ARCHITECTURES.get(name)
    params = entry.Params.model_validate(given)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: torch.nn.Module = entry.build(params, shape, classes)
    network.eval()
    _check_head(name, network, shape, classes)
    return network


def _check_head(
    name: str, network: torch.nn.Module, shape: tuple[int, int, int], classes: int
) -> None:
    try:
        with torch.inference_mode():
            output = network(torch.zeros(2, *shape))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        said = str(error).partition("\n")[0] or type(error).__name__
        raise InfeasibleCandidate(
            f"{name} does not take images of {_size(shape)}: {said}"
        ) from error
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        got = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise InfeasibleCandidate(f"{name} gives {got} for 2 images, not [2, {classes}] logits")
    if output.shape[1] != classes:
        raise InfeasibleCandidate(
            f"{name} gives {output.shape[1]} outputs, the data has {classes} classes; "
            f"make its last layer give {classes}, for instance by a `classes` argument"
        )


def _size(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{height}x{width} pixels and {channels} channel{'s' if channels > 1 else ''}"
