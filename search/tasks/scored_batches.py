"""Runs a deployed file over a part of the data, for the scores of built-in tasks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.finite_outputs import FiniteOutputs
from paretune.task import Part, Predict

if TYPE_CHECKING:
    import numpy as np


def predictions(predict: Predict, part: Part) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (outputs, targets) of each batch, for networks with one output.

    Raises:
        Unmeasurable: The part has no examples, or, after the last batch, outputs of some examples
            are not finite.
    """
    outputs = FiniteOutputs("the file", part.name)
    empty = True
    for inputs, targets in part.batches():
        empty = False
        yield outputs.checked(predict(inputs)), targets
    if empty:
        raise Unmeasurable(f"the {part.name} part has no examples")
    outputs.refuse()


def joined(predict: Predict, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns (outputs, targets) of all examples, for small outputs.

    Raises:
        Unmeasurable: As for `predictions`.
    """
    import numpy as np

    outputs, targets = zip(*predictions(predict, part), strict=True)
    return np.concatenate(outputs), np.concatenate(targets)
