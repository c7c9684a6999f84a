"""Calibration images, as ONNX Runtime's quantizer wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np

CHUNK = 16
"""Images whose activations are held in memory at once; all of them would be gigabytes."""


class CalibrationReader:
    """Training inputs, one at a time and in chunks.

    One at a time, because the histogram calibrators refuse batches of different sizes, and a last
    batch is often smaller.

    Args:
        batches: Inputs [B, ...].
        name: Of the graph's input.

    Raises:
        Unmeasurable: There is none.
    """

    def __init__(self, batches: Iterator[np.ndarray], name: str) -> None:
        self._inputs = [batch[i : i + 1] for batch in batches for i in range(len(batch))]
        if not self._inputs:
            raise Unmeasurable("quantization needs calibration images, and there are none")
        self._name = name
        self._rest = iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def chunk(self) -> int:
        """The largest divisor of the number of inputs up to CHUNK; the quantizer wants one."""
        return max(n for n in range(1, CHUNK + 1) if len(self) % n == 0)

    def set_range(self, start_index: int, end_index: int) -> None:
        """The next inputs are these; called for each chunk."""
        self._rest = iter(self._inputs[start_index:end_index])

    def get_next(self) -> dict[str, Any] | None:
        """The next input, or None at the end of a chunk."""
        found = next(self._rest, None)
        return None if found is None else {self._name: found}
