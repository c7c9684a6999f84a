"""Runs validation_step over a part, on the outputs of the deployed file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from paretune.nests import Nest, is_group, leaves, mapped
from paretune.search.tasks.lightning_task.errors import LightningError
from paretune.search.tasks.lightning_task.logged_values import LoggedValues
from paretune.search.tasks.lightning_task.steps import Steps
from paretune.task import Predict

SINGLE = 10_000
"""Most examples for which each one is also scored alone, to know how a mean varies."""

CLOSE = 1e-4
"""Relative difference up to which a value counts as the mean over the examples."""


def scores(steps: Steps, batches: Iterable[Any], predict: Predict) -> dict[str, Any]:
    """Returns name -> value, or (a value for each example, their mean) if the score is one.

    Lightning sums values up by batches. A value that equals the mean over the examples gets an
    interval; another one (an F1 score, an RMSE of batches) stays a number.

    Args:
        steps: The module's steps.
        batches: The batches of the part.
        predict: The deployed file.

    Raises:
        LightningError: Nothing is logged, or it is logged in a way that has no value here.
    """
    full, single = _Pass(steps), _SingleExamples(steps)
    full.begin()
    for index, batch in enumerate(batches):
        outputs: list[Nest] = []

        def answer(inputs: Nest, outputs: list[Nest] = outputs) -> Nest:
            outputs.append(_tensors(predict(_arrays(inputs))))
            return outputs[0]

        full.step(batch, index, answer)
        single.add(batch, outputs[0])
    values = full.end()
    if not values:
        raise LightningError(
            "validation_step logs no number over the epoch; write self.log(name, value) in it"
        )
    return _named({name: _scored(value, single.values(name)) for name, value in values.items()})


class _Pass:
    """One validation of the module with its hooks."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._size = 1.0
        self._logged = LoggedValues(lambda: self._size)

    def begin(self) -> None:
        self._reset()
        self.steps.start_validation()
        self.steps.module.log = self._logged.log
        self.steps.hook("on_validation_start")
        self.steps.hook("on_validation_epoch_start")

    def step(self, batch: Any, index: int, answer: Callable[[Nest], Nest]) -> None:
        self._size = float(_size_of(batch))
        self.steps.hook("on_validation_batch_start", batch, index, 0)
        returned = self.steps.validate(batch, index, answer)
        self.steps.hook("on_validation_batch_end", returned, batch, index, 0)

    def end(self) -> dict[str, float]:
        self._size = 1.0
        self.steps.hook("on_validation_epoch_end")
        self.steps.hook("on_validation_end")
        values = self._logged.results()
        self._reset()
        return values

    def _reset(self) -> None:
        for child in self.steps.module.modules():
            if hasattr(child, "compute") and hasattr(child, "reset"):
                child.reset()


class _SingleExamples:
    """What a copy of the module logs for each example alone.

    Empty if the examples cannot be taken out of a batch, a step fails for one alone, or there are
    too many.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps.copied()
        self._values: list[Mapping[str, float]] | None = []

    def add(self, batch: Any, outputs: Nest) -> None:
        if self._values is None:
            return
        size = _size_of(batch)
        if len(self._values) + size > SINGLE:
            self._values = None
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # metrics warn about classes that one example lacks
                self._values += [self._alone(batch, outputs, size, row) for row in range(size)]
        except Exception:  # a step may need more than one example
            self._values = None

    def values(self, name: str) -> np.ndarray | None:
        """Returns a value for each example; None if they are not known."""
        if not self._values or any(name not in each for each in self._values):
            return None
        return np.array([each[name] for each in self._values])

    def _alone(self, batch: Any, outputs: Nest, size: int, row: int) -> Mapping[str, float]:
        alone = _Pass(self._steps)
        alone.begin()
        part = _row(outputs, size, row)
        alone.step(_row(batch, size, row), 1, lambda inputs: part)
        return alone.end()


def _scored(value: float, values: np.ndarray | None) -> Any:
    """Returns the examples' values with their mean, if that is the score; else the score."""
    if values is None or not np.isfinite(values).all():
        return value
    if abs(values.mean() - value) > CLOSE * max(abs(value), CLOSE):
        return value
    return values, lambda sample: float(np.mean(sample))


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with names that a study file can write: `val/acc` is `val_acc`."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        plain = re.sub(r"\W", "_", name)
        if plain in named:
            raise LightningError(
                f'two logged names become "{plain}" in a study file; rename one of them'
            )
        named[plain] = value
    return named


def _size_of(batch: Any) -> int:
    """Returns the number of examples: the length of the first tensor of a batch."""
    tensors = [each for each in leaves(batch) if isinstance(each, torch.Tensor) and each.ndim]
    if not tensors:
        raise LightningError("a batch holds no tensor, so its number of examples is not known")
    return len(tensors[0])


def _row(nest: Nest, size: int, row: int) -> Nest:
    """Returns one example of a batch, as a batch.

    Raises:
        ValueError: Something in the batch is not one entry for each example.
    """
    if isinstance(nest, torch.Tensor) and nest.ndim:
        if len(nest) != size:
            raise ValueError("not one row for each example")
        return nest[row : row + 1]
    if isinstance(nest, Mapping):
        return {key: _row(value, size, row) for key, value in nest.items()}
    if isinstance(nest, list) and len(nest) == size and not _is_pair(nest, size):
        return [nest[row]]  # one entry for each example
    if is_group(nest):
        return type(nest)(_row(each, size, row) for each in nest)
    return nest


def _is_pair(nest: list[Any], size: int) -> bool:
    """Returns whether a list holds tensors of all examples, as a DataLoader's [x, y] does."""
    return all(isinstance(each, torch.Tensor) and each.ndim and len(each) == size for each in nest)


def _arrays(inputs: Nest) -> Nest:
    return mapped(inputs, lambda each: each.detach().cpu().numpy())


def _tensors(outputs: Nest) -> Nest:
    return mapped(outputs, lambda each: torch.from_numpy(np.array(each)))
