"""Builds a network by name and checks that it fits the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from paretune.inputs import (
    Shape,
    call,
    example,
    image_shape,
    kind_of,
    shape_text,
    single_shape,
    varies,
)
from paretune.spaces.architecture import (
    ARCHITECTURES,
    OWN_CODE,
    gives,
    output_refusal,
    refusal,
    takes,
)
from paretune.spaces.architecture.image_params import resized_shape
from paretune.spaces.architecture.resizing import Resized
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.seeding import seed_torch
from paretune.task import Outputs, outputs_of

VECTORS = {
    "example": (1, "[2, {}] logits"),
    "position": (2, "[2, positions, {}]"),
    "pixel": (1, "[2, {}, height, width]"),
    "cell": (1, "[2, {}, rows, columns]"),
}
"""What has one vector of outputs -> axis of the vector, and the form of the outputs for 2."""

OUTPUT_NAMES = {
    "example": "classes",
    "position": "tokens",
    "pixel": "classes",
    "cell": "values for each cell (4 sides and the classes)",
}
"""What the values of a vector are called."""


def build_network(
    architecture: Mapping[str, Any], shape: Shape, outputs: Outputs | int, seed: int
) -> torch.nn.Module:
    """Returns a fresh network in evaluation mode; torch's global random state stays unchanged.

    Args:
        architecture: {name: {parameters}}.
        shape: Shape of one input: (C, H, W), or (length, vocabulary).
        outputs: What the task needs; n means one vector of n values for each example.
        seed: Seed of the random weights.

    Raises:
        InfeasibleCandidate: No such network exists, or it does not fit the data.
        ValueError: The name or the parameters are wrong.
    """
    wanted = outputs_of(outputs)
    name, options = ARCHITECTURES.parse(architecture)
    entry = ARCHITECTURES.get(name)
    kind = kind_of(shape)
    if not takes(name, kind):
        raise InfeasibleCandidate(refusal(name, kind))
    if not gives(name, wanted.per):
        raise InfeasibleCandidate(output_refusal(name, wanted.per))
    params = entry.Params.model_validate(options)
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        network = _build(entry, params, shape, wanted)
    network.eval()
    _check_outputs(name, network, shape, wanted)
    if name != OWN_CODE and kind == "images" and varies(shape):
        _check_sizes(name, network, shape)
    return network


def _build(entry: Any, params: Any, shape: Shape, wanted: Outputs) -> torch.nn.Module:
    """Returns the network; it resizes its input first if its parameters set a resolution.

    Raises:
        InfeasibleCandidate: As for `build_network`. Or images of several sizes would be resized.
    """
    if kind_of(shape) != "images":
        return entry.build(params, _plain(shape), wanted.size)  # type: ignore[no-any-return]
    before = image_shape(shape)
    after = resized_shape(params, before)
    if varies(shape):
        if after != before:
            raise InfeasibleCandidate(
                "resolution resizes images of one size, but their sizes vary; leave it out"
            )
        size = shape if getattr(entry, "any_size", False) else before
        return entry.build(params, size, wanted.size)  # type: ignore[no-any-return]
    network: torch.nn.Module = entry.build(params, after, wanted.size)
    if after == before:
        return network
    return Resized(network, before[1:], after[1:], back=wanted.per == "pixel")


def _check_sizes(name: str, network: torch.nn.Module, shape: Shape) -> None:
    """Refuses a network that fails for images of twice the size, where sizes vary."""
    channels, height, width = image_shape(shape)
    try:
        with torch.inference_mode():
            network(torch.zeros(1, channels, 2 * height, 2 * width))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise InfeasibleCandidate(
            f"{name} takes images of one size only: {_first_line(error)}; the sizes of these vary"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _plain(shape: Shape) -> Shape:
    """Returns the shape that families expect: a tuple for one input of floats."""
    plain = kind_of(shape) not in ("tensors", "text") and not varies(shape)
    return single_shape(shape) if plain else shape


def _check_outputs(name: str, network: torch.nn.Module, shape: Shape, wanted: Outputs) -> None:
    """Refuses a network that fails for its inputs, or gives other outputs than the task needs."""
    try:
        with torch.inference_mode():
            outputs = call(network, example(shape, 2))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise InfeasibleCandidate(
            f"{name} does not take {kind_of(shape)} of {shape_text(shape)}: {_first_line(error)}"
        ) from error
    if wanted.per == "any":
        return
    axis, form = VECTORS[wanted.per]
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != form.count(",") + 1:
        result = (
            list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        )
        raise InfeasibleCandidate(
            f"{name} gives {result} for 2 {kind_of(shape)}, not {form.format(wanted.size)}"
        )
    if wanted.size and outputs.shape[axis] != wanted.size:
        raise InfeasibleCandidate(
            f"{name} gives {outputs.shape[axis]} outputs, the data has {wanted.size} "
            f"{OUTPUT_NAMES[wanted.per]}; make its last layer give {wanted.size}, for instance by "
            "a `classes` argument"
        )
