"""Inputs to time an artifact with."""

from __future__ import annotations

from typing import Any

from paretune.objectives.base import EvaluationData
from paretune.objectives.errors import Unmeasurable


def validation_batch(data: EvaluationData, batch: int) -> Any:
    """Real validation examples, [batch, ...]: zeros would be unusually fast or slow.

    Raises:
        Unmeasurable: There are none.
    """
    import numpy as np

    inputs = next((x for x, _ in data.arrays("validation", batch)), ())
    if len(inputs) == 0:
        raise Unmeasurable("the validation part has no examples")
    while len(inputs) < batch:
        inputs = np.concatenate([inputs, inputs])
    return np.ascontiguousarray(inputs[:batch])
