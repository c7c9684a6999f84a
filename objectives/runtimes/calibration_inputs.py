"""Calibration inputs as quantizers take them: flat, by position or by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from paretune.inputs import Shape, signature_of
from paretune.nests import Nest
from paretune.objectives.flat_arrays import flat_arrays

if TYPE_CHECKING:
    import numpy as np


def flat_batches(
    shape: Shape, calibration: Iterator[Nest] | None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields each batch of calibration inputs as arrays, one for each input of the network.

    Raises:
        Unmeasurable: A batch does not fit the shape.
    """
    return (flat_arrays(shape, batch) for batch in calibration or ())


def flat_examples(
    shape: Shape, calibration: Iterator[Nest] | None
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields each calibration input alone, as batches of one."""
    for batch in flat_batches(shape, calibration):
        for row in range(len(batch[0])):
            yield tuple(array[row : row + 1] for array in batch)


def named_batches(
    shape: Shape, calibration: Iterator[Nest] | None
) -> Iterator[dict[str, np.ndarray]] | None:
    """Returns the batches by names of the inputs; None if there is no calibration."""
    if calibration is None:
        return None
    names = signature_of(shape).names
    return (dict(zip(names, batch, strict=True)) for batch in flat_batches(shape, calibration))
