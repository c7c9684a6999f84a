"""Runs a network on a batch and returns its outputs as arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from paretune.inputs import Shape, call, signature_of
from paretune.nests import Nest, mapped, named_leaves
from paretune.search.building.agreement import Flat


class OutputsError(Exception):
    """A network's outputs have a form that no task can use; the text is the reason."""


def run(model: torch.nn.Module, inputs: Nest) -> dict[str, np.ndarray]:
    """Returns the outputs of a network by name: floats as float32, each [B, ...].

    Raises:
        OutputsError: An output is no tensor, or its first axis is not the batch.
    """
    with torch.no_grad():
        outputs = call(model, inputs)
    leaves = named_leaves(mapped(outputs, lambda leaf: leaf))
    count = len(named_leaves(inputs)[next(iter(named_leaves(inputs)))])
    if not leaves:
        raise OutputsError("it returns no output")
    return {name: _array(name, leaf, count) for name, leaf in leaves.items()}


def flat_arrays(shape: Shape, inputs: Nest) -> list[np.ndarray]:
    """Returns inputs as contiguous arrays in the order in which a session takes them."""
    flat = signature_of(shape).flat(inputs)
    return [np.ascontiguousarray(torch.as_tensor(each).numpy()) for each in flat]


def named_results(results: Any, names: Flat | list[str]) -> dict[str, np.ndarray]:
    """Returns the results of a session under the names of a network's outputs.

    Args:
        results: An array, or a tuple of arrays.
        names: Names of the network's outputs, in order.

    Raises:
        OutputsError: There are more or fewer results.
    """
    values = results if isinstance(results, tuple | list) else (results,)
    if len(values) != len(names):
        raise OutputsError(f"gives {len(values)} outputs, the network {len(names)}")
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def _array(name: str, leaf: Any, count: int) -> np.ndarray:
    which = f'its output "{name}"' if name else "its output"
    if not isinstance(leaf, torch.Tensor):
        kind = type(leaf).__name__
        raise OutputsError(
            f"{which} is {kind}, not a tensor. What to change: return tensors, or tuples, lists or "
            "dicts of them"
        )
    if leaf.ndim == 0 or len(leaf) != count:
        these = which if name else "its outputs"
        verb = "has" if name else "have"
        raise OutputsError(
            f"{these} {verb} the shape {list(leaf.shape)}, and the first axis must be the batch of "
            f"{count}"
        )
    values = leaf.detach().cpu()
    if values.is_complex():
        values = torch.view_as_real(values)
    if values.is_floating_point():
        values = values.float()
    array: np.ndarray = values.numpy().copy()  # a network may return a tensor that it keeps
    return array
