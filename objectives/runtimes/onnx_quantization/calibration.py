"""Passes calibration inputs to ONNX Runtime's quantizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np

CHUNK = 16
"""Inputs per chunk. The activations of all inputs at once would need gigabytes of memory."""


class CalibrationReader:
    """Yields training inputs one at a time, in chunks.

    One at a time, because the histogram calibrators refuse batches of different sizes, and the last
    batch is often smaller.

    Args:
        batches: Name of an input of the graph -> array [B, ...].

    Raises:
        Unmeasurable: There are no inputs.
    """

    def __init__(self, batches: Iterator[Mapping[str, np.ndarray]]) -> None:
        self._inputs = [
            {name: array[i : i + 1] for name, array in batch.items()}
            for batch in batches
            for i in range(len(next(iter(batch.values()))))
        ]
        if not self._inputs:
            raise Unmeasurable("quantization needs calibration inputs, and there are none")
        self._rest = iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def chunk(self) -> int:
        """Inputs in a chunk: the largest divisor of their number up to CHUNK.

        Inputs of several sizes are alone, because the calibrators stack the arrays of a chunk.
        """
        if len({tuple(array.shape for array in each.values()) for each in self._inputs}) > 1:
            return 1
        return max(n for n in range(1, CHUNK + 1) if len(self) % n == 0)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Starts a chunk at these inputs; the quantizer calls it."""
        self._rest = iter(self._inputs[start_index:end_index])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Returns the next input, or None at the end of a chunk."""
        return next(self._rest, None)
