"""The inputs that an artifact is timed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.inputs import Input, Signature, signature_of
from paretune.nests import leaves
from paretune.objectives.base import EvaluationData
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.flat_arrays import flat_arrays

if TYPE_CHECKING:
    import numpy as np


def validation_batch(data: EvaluationData, batch: int) -> tuple[np.ndarray, ...]:
    """Returns real validation examples [batch, ...], an array for each input of the network.

    Zeros could be unusually fast or slow. If there are fewer examples than `batch`, they repeat.
    Dynamic axes get the size that the signature names: longer examples are cut, and shorter ones
    repeat.

    Raises:
        Unmeasurable: There are no examples, or they do not fit the network.
    """
    import numpy as np

    signature = signature_of(data.shape)
    batches: list[tuple[np.ndarray, ...]] = []
    count = 0
    for inputs, _ in data.arrays("validation", batch):  # a user's loader may give smaller ones
        if len(leaves(inputs)[0]) == 0:
            continue
        batches.append(_fitted(signature, flat_arrays(signature, inputs)))
        count += len(batches[-1][0])
        if count >= batch:
            break
    if not batches:
        raise Unmeasurable("the validation part has no examples")
    rows = np.resize(np.arange(count), batch)
    joined = map(np.concatenate, zip(*batches, strict=True))
    return tuple(np.ascontiguousarray(array[rows]) for array in joined)


def _fitted(signature: Signature, arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Returns inputs with dynamic axes of the signature's size."""
    return tuple(_fit(each, array) for each, array in zip(signature.inputs, arrays, strict=True))


def _fit(each: Input, array: np.ndarray) -> np.ndarray:
    import numpy as np

    for axis, _ in each.dynamic:
        size, length = each.shape[axis], array.shape[axis + 1]
        if size != length:
            array = np.take(array, np.resize(np.arange(length), size), axis + 1)
    return array
