"""Refuses outputs of a runtime that are not finite.

The largest of NaN values is class 0, so a network of NaN has an accuracy. It means nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np


class FiniteOutputs:
    """Counts the examples with outputs that are not finite, batch by batch.

    Args:
        runtime: Name of the runtime that makes the outputs.
        part: Part of the data, for the error text.
    """

    def __init__(self, runtime: str, part: str) -> None:
        self._runtime, self._part = runtime, part
        self._examples = 0
        self._broken = 0

    def checked(self, outputs: np.ndarray) -> np.ndarray:
        """Counts the examples of a batch [B, ...], and returns the batch unchanged."""
        import numpy as np

        self._examples += len(outputs)
        finite = np.isfinite(outputs).all(axis=tuple(range(1, outputs.ndim)))
        self._broken += int((~finite).sum())
        return outputs

    def refuse(self) -> None:
        """Refuses the outputs after the last batch.

        Raises:
            Unmeasurable: Some are not finite; the text says for how many examples.
        """
        if self._broken:
            raise Unmeasurable(
                f"the outputs are not finite (NaN or infinity) for {self._broken} of "
                f"{self._examples} {self._part} examples in {self._runtime}"
            )
