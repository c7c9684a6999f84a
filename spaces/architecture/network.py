"""Builds a network by name and checks that it fits the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from paretune.spaces.architecture import ARCHITECTURES, refusal, takes
from paretune.spaces.architecture.image_params import resized_shape
from paretune.spaces.architecture.resizing import Resized
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.inputs import Shape, example, kind_of, shape_text


def build_network(
    architecture: Mapping[str, Any], shape: Shape, classes: int, seed: int
) -> torch.nn.Module:
    """Returns a fresh network in evaluation mode; torch's global random state stays unchanged.

    Args:
        architecture: {name: {parameters}}.
        shape: Shape of one input: (C, H, W), or (length, vocabulary).
        classes: Number of logits.
        seed: Seed of the random weights.

    Raises:
        InfeasibleCandidate: No such network exists, or it does not fit the data.
        ValueError: The name or the parameters are wrong.
    """
    name, options = ARCHITECTURES.parse(architecture)
    entry = ARCHITECTURES.get(name)
    kind = kind_of(shape)
    if not takes(name, kind):
        raise InfeasibleCandidate(refusal(name, kind))
    params = entry.Params.model_validate(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build(entry, params, shape, classes)
    network.eval()
    _check_head(name, network, shape, classes)
    return network


def _build(entry: Any, params: Any, shape: Shape, classes: int) -> torch.nn.Module:
    """Returns the network; it resizes its input first if its parameters set a resolution."""
    if len(shape) == 2:
        return entry.build(params, shape, classes)  # type: ignore[no-any-return]
    resized = resized_shape(params, shape)
    network: torch.nn.Module = entry.build(params, resized, classes)
    return network if resized == shape else Resized(network, shape[1:], resized[1:])


def _check_head(name: str, network: torch.nn.Module, shape: Shape, classes: int) -> None:
    try:
        with torch.inference_mode():
            output = network(example(shape, 2))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InfeasibleCandidate(
            f"{name} does not take {kind_of(shape)} of {shape_text(shape)}: {reason}"
        ) from error
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        result = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise InfeasibleCandidate(
            f"{name} gives {result} for 2 {kind_of(shape)}, not [2, {classes}] logits"
        )
    if output.shape[1] != classes:
        raise InfeasibleCandidate(
            f"{name} gives {output.shape[1]} outputs, the data has {classes} classes; "
            f"make its last layer give {classes}, for instance by a `classes` argument"
        )
