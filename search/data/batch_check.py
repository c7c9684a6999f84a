"""Checks that each batch of a user's loader has the form of the first one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from paretune.inputs import INPUT, Input, Shape, Signature, Tokens
from paretune.nests import Nest, batch_size, is_group, mapped, named_leaves
from paretune.search.errors import UserError

Dynamic = Mapping[Any, Any]
"""Axes of the inputs that vary: {1: "height", 2: "width"}, or {"tokens": {0: "length"}}."""


def tensors_of(where: str, batch: Any) -> tuple[Nest, Nest]:
    """Returns a batch as (inputs, targets) of tensors; floats are float32 in the inputs.

    Args:
        where: Source, part and batch number, for messages.
        batch: What the user's loader gave.

    Raises:
        UserError: It is no pair, or the inputs are no tensors.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        came = f"{len(batch)} values" if isinstance(batch, tuple | list) else type(batch).__name__
        raise UserError(f"{where} is {came}; give (inputs, targets), for example with a collate_fn")
    inputs = tuple(batch[0]) if isinstance(batch[0], list) else batch[0]
    inputs = mapped(inputs, lambda leaf: _input_tensor(where, leaf))
    return inputs, mapped(batch[1], _tensor)


def stacked(batch: Any) -> Any:
    """Returns a batch of a detector with one tensor of images [B, C, H, W], and a list of targets.

    Many collate functions return a tuple of images and one of targets.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        return batch
    inputs, targets = batch
    if isinstance(inputs, tuple | list) and inputs:
        tensors = [_tensor(each) for each in inputs]
        shapes = {tuple(each.shape) for each in tensors if isinstance(each, torch.Tensor)}
        if len(shapes) == 1 and all(isinstance(each, torch.Tensor) for each in tensors):
            inputs = torch.stack(tensors)
    return inputs, list(targets) if isinstance(targets, tuple) else targets


class BatchForm:
    """The form of the inputs of all batches: that of the first validation batch.

    Args:
        inputs: Inputs of the first validation batch.
        where: Source, part and batch number, for messages.
        dynamic: Axes whose sizes vary, counted without the batch axis.
        vocabulary: Number of tokens, for a single input of integers [B, T].

    Raises:
        UserError: Inputs cannot be those of a network, or `dynamic` names none of them.
    """

    def __init__(
        self,
        inputs: Nest,
        where: str,
        dynamic: Dynamic | None = None,
        vocabulary: int | None = None,
    ) -> None:
        self._named = _named(inputs)
        self._grouped = is_group(inputs)
        self._form: Any = "tensor" if not is_group(inputs) else _group(where, inputs)
        self._dynamic = _axes(where, self._named, dynamic or {})
        self._vocabulary = vocabulary
        self._tops: dict[str, int] = {}

    def observe(self, inputs: Nest) -> None:
        """Notes the largest integers of a validation batch, which limit those of examples."""
        for name, leaf in _named(inputs).items():
            if not leaf.is_floating_point() and leaf.numel():
                self._tops[name] = max(self._tops.get(name, 0), int(leaf.max()))

    def check(self, where: str, inputs: Nest) -> int:
        """Refuses inputs of another form than the first ones, and returns their number.

        Args:
            where: Source, part and batch number, for messages.
            inputs: Inputs of a batch.

        Raises:
            UserError: The text says what came and what was expected.
        """
        named = _named(inputs)
        if list(named) != list(self._named) or is_group(inputs) != self._grouped:
            raise UserError(
                f"{where} has the inputs {', '.join(named)}, but the first validation batch "
                f"has {', '.join(self._named)}"
            )
        counts = {name: len(leaf) for name, leaf in named.items()}
        if len(set(counts.values())) > 1:
            text = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise UserError(f"{where} has inputs of different numbers of examples: {text}")
        for name, leaf in named.items():
            if not self._fits(name, leaf):
                raise UserError(
                    f"{where}: {_label(name)} is {_text(leaf)}, but in the first validation batch "
                    f"{_text(self._named[name])}; give all examples one size, or declare an axis "
                    "that varies: dynamic"
                )
        if self._vocabulary is not None:
            self._check_tokens(where, inputs)
        return batch_size(inputs)

    def _fits(self, name: str, leaf: torch.Tensor) -> bool:
        first, free = self._named[name], self._dynamic.get(name, {})
        if leaf.dtype != first.dtype or leaf.ndim != first.ndim:
            return False
        sizes = zip(leaf.shape[1:], first.shape[1:], strict=True)
        return all(one == two or axis in free for axis, (one, two) in enumerate(sizes))

    def _check_tokens(self, where: str, inputs: Nest) -> None:
        low, high = int(inputs.min()), int(inputs.max())
        if low < 0 or high >= (self._vocabulary or 0):
            raise UserError(
                f"{where} has tokens {low} to {high}, but vocabulary: {self._vocabulary} has 0 to "
                f"{(self._vocabulary or 0) - 1}"
            )

    @property
    def shape(self) -> Shape:
        """What a network takes, without the batch axis."""
        inputs = tuple(self._input(name, leaf) for name, leaf in self._named.items())
        only = inputs[0]
        if self._form != "tensor" or only.dynamic:
            return Signature(inputs, self._form)
        if only.dtype == "float32":
            return only.shape
        if self._vocabulary is not None and len(only.shape) == 1:
            return Tokens(only.shape[0], self._vocabulary)
        return Signature(inputs)

    def _input(self, name: str, leaf: torch.Tensor) -> Input:
        dtype = str(leaf.dtype).removeprefix("torch.")
        limit = self._vocabulary
        if limit is None and name in self._tops and leaf.dtype != torch.bool:
            limit = self._tops[name] + 1
        axes = tuple(sorted(self._dynamic.get(name, {}).items()))
        return Input(name, tuple(leaf.shape[1:]), dtype, limit, axes)


def _group(where: str, inputs: Nest) -> str:
    """Returns the form of several inputs.

    Raises:
        UserError: They are nested.
    """
    members = inputs.values() if isinstance(inputs, Mapping) else inputs
    if any(is_group(member) for member in members):
        raise UserError(f"{where} has nested inputs; give a tensor, or a tuple or dict of tensors")
    return "dict" if isinstance(inputs, Mapping) else "tuple"


def _named(inputs: Nest) -> dict[str, torch.Tensor]:
    if isinstance(inputs, tuple):
        return {f"{INPUT}_{name}": leaf for name, leaf in named_leaves(inputs).items()}
    return named_leaves(inputs, "" if isinstance(inputs, Mapping) else INPUT)


def _axes(where: str, named: Mapping[str, Any], dynamic: Dynamic) -> dict[str, dict[int, str]]:
    """Returns input -> axis -> name of the axes that vary.

    Raises:
        UserError: They name no input, or no axis of it.
    """
    if not dynamic:
        return {}
    plain = not any(isinstance(value, Mapping) for value in dynamic.values())
    axes = {next(iter(named)): dynamic} if plain else {str(k): v for k, v in dynamic.items()}
    for name, of_input in axes.items():
        if name not in named:
            raise UserError(
                f"{where}: dynamic names the input {name}; the inputs are {', '.join(named)}"
            )
        rank = named[name].ndim - 1
        for axis in of_input:
            if not isinstance(axis, int) or not 0 <= axis < rank:
                raise UserError(
                    f"{where}: dynamic names axis {axis} of {_label(name)}; an example has the "
                    f"axes 0 to {rank - 1}"
                )
    return {name: {int(a): str(n) for a, n in each.items()} for name, each in axes.items()}


def _label(name: str) -> str:
    return "the input" if name == INPUT else f"the input {name}"


def _text(leaf: torch.Tensor) -> str:
    return f"{str(leaf.dtype).removeprefix('torch.')} {list(leaf.shape)}"


def _input_tensor(where: str, leaf: Any) -> torch.Tensor:
    tensor = _tensor(leaf)
    if not isinstance(tensor, torch.Tensor):
        raise UserError(
            f"{where} has an input of type {type(leaf).__name__}; give tensors or NumPy arrays"
        )
    if tensor.ndim == 0:
        raise UserError(f"{where} has an input that is a single number; give [B, ...]")
    return tensor.float() if tensor.is_floating_point() else tensor


def _tensor(leaf: Any) -> Any:
    """Returns an array as a tensor; other leaves stay as they are."""
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "buif":
        return torch.from_numpy(np.ascontiguousarray(leaf))
    return leaf
