"""The data sets of a Trainer, as batches of tensors."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

import torch

from paretune.search.tasks.transformers_task.errors import TransformersError
from paretune.search.tasks.transformers_task.model_folder import ModelFolder, Network, quiet

PARTS = {
    "train": ("train",),
    "validation": ("validation", "eval", "val", "dev"),
    "test": ("test",),
}
"""Part -> the keys that it may have among the data sets."""

Batch = tuple[dict[str, torch.Tensor], Any]
"""Inputs by name, and the labels: a tensor, or a dict of several."""


class Datasets:
    """Gives batches of dict examples, collated as a Trainer does.

    Args:
        sets: Data set of each part.
        network: The model: its forward names the inputs and the labels.
        collate: Makes a batch of examples.
        batch: Examples in a batch.

    Raises:
        TransformersError: A part is missing, or the examples are not dicts with labels.
    """

    def __init__(
        self,
        sets: Any,
        network: Network,
        collate: Callable[[list[Any]], Any],
        batch: int,
    ) -> None:

        if not isinstance(sets, Mapping):
            raise TransformersError(
                f'data returned a {type(sets).__name__}; return {{"train": ..., "validation": ...}}'
            )
        self._sets = {
            part: sets[key] for part, keys in PARTS.items() for key in keys if key in sets
        }
        for part in ("train", "validation"):
            if part not in self._sets:
                raise TransformersError(
                    f'data returned no "{part}"; its keys are {", ".join(map(str, sets)) or "none"}'
                )
        model = network.network
        find_labels: Any = importlib.import_module("transformers.utils").find_labels
        self._labels: list[str] = find_labels(type(model))
        self._columns = {*inspect.signature(model.forward).parameters, "label", "label_ids"}
        self._collate, self._batch = collate, batch

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are."""
        return tuple(self._sets)

    def batches(self, part: str) -> Iterator[Batch]:
        """Yields (inputs, labels); shuffled by torch's seed for training.

        Raises:
            TransformersError: There is no such part, or no labels.
        """
        if part not in self._sets:
            raise TransformersError(f'data returned no "{part}"')
        loader = torch.utils.data.DataLoader(
            self._sets[part],
            self._batch,
            shuffle=part == "train" and isinstance(self._sets[part], Sized),
            collate_fn=self._collated,
        )
        for batch in loader:
            yield self._split(batch)

    def _collated(self, examples: list[Any]) -> Any:
        if not isinstance(examples[0], Mapping):
            raise TransformersError(
                f"an example of the data is a {type(examples[0]).__name__}; give dicts: "
                '{"input_ids": [...], "attention_mask": [...], "labels": 1}'
            )
        used = [{k: v for k, v in each.items() if k in self._columns} for each in examples]
        if not used[0]:
            raise TransformersError(
                f"no key of an example ({', '.join(examples[0])}) is an argument of the model"
            )
        with quiet():
            return self._collate(used)

    def _split(self, batch: Mapping[str, Any]) -> Batch:
        inputs = {
            key: value
            for key, value in batch.items()
            if key not in self._labels and isinstance(value, torch.Tensor)
        }
        labels = {key: batch[key] for key in self._labels if key in batch}
        if not labels:
            raise TransformersError(
                f"a batch has no labels ({', '.join(self._labels)}); its keys are "
                f"{', '.join(batch)}"
            )
        return inputs, next(iter(labels.values())) if len(labels) == 1 else labels


def default_collator(folder: ModelFolder) -> Callable[[list[Any]], Any]:
    """Returns the collator that a Trainer takes: padding, if the folder has a tokenizer."""
    from transformers import DataCollatorWithPadding, default_data_collator

    tokenizer = folder.tokenizer()
    if tokenizer is None:
        return default_data_collator
    return DataCollatorWithPadding(tokenizer)


def dynamic_axes(datasets: Datasets) -> dict[str, dict[int, str]]:
    """Returns input -> {axis of an example: name} of each axis whose size varies among batches.

    All batches of the validation part and the first ones of training are looked at.
    """
    sizes: dict[tuple[str, int], set[int]] = {}
    for part, most in (("validation", None), ("train", 20)):
        for number, (inputs, _) in enumerate(datasets.batches(part)):
            if number == most:
                break
            for name, tensor in inputs.items():
                for axis, size in enumerate(tensor.shape[1:]):
                    sizes.setdefault((name, axis), set()).add(size)
    axes: dict[str, dict[int, str]] = {}
    for (name, axis), seen in sizes.items():
        if len(seen) > 1:
            axes.setdefault(name, {})[axis] = _axis_name(axis, seen, sizes)
    return axes


def _axis_name(axis: int, seen: set[int], sizes: Mapping[tuple[str, int], set[int]]) -> str:
    """Returns "length" for the first axis: inputs that vary together share the name."""
    return "length" if axis == 0 else f"size_{axis}"
