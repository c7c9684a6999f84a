"""The inputs that an artifact is timed with."""

from __future__ import annotations

from typing import Any

from paretune.objectives.base import EvaluationData
from paretune.objectives.errors import Unmeasurable


def validation_batch(data: EvaluationData, batch: int) -> Any:
    """Returns real validation examples [batch, ...]; zeros could be unusually fast or slow.

    If there are fewer examples than `batch`, they repeat.

    Raises:
        Unmeasurable: There are no examples.
    """
    import numpy as np

    inputs = next((x for x, _ in data.arrays("validation", batch)), ())
    if len(inputs) == 0:
        raise Unmeasurable("the validation part has no examples")
    while len(inputs) < batch:
        inputs = np.concatenate([inputs, inputs])
    return np.ascontiguousarray(inputs[:batch])
