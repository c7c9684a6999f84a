"""Watches what a deployed file is run on, and whether its outputs are numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np


class WatchedSession:
    """A session that notes which examples it ran, and how many had outputs of NaN.

    The largest of NaN values is class 0, so a network of NaN has a score. It means nothing.

    Args:
        session: The loaded file: flat arrays in, an array or a tuple of arrays out.

    Attributes:
        checksum: CRC-32 of all inputs, in their order.
    """

    def __init__(self, session: Callable[..., Any]) -> None:
        self._session = session
        self._broken = self._examples = 0
        self.checksum = 0

    def __call__(self, *arrays: np.ndarray) -> Any:
        """Runs a batch."""
        import numpy as np

        outputs = self._session(*arrays)
        for array in arrays:
            self.checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), self.checksum)
        count = len(arrays[0])
        flat = outputs if isinstance(outputs, tuple | list) else (outputs,)
        self._examples += count
        self._broken += max(_broken_rows(output, count) for output in flat)
        return outputs

    def refuse(self, part: str) -> None:
        """Refuses the outputs after the last batch.

        Args:
            part: Part of the data, for the error text.

        Raises:
            Unmeasurable: Some are NaN; the text says for how many examples.
        """
        if self._broken:
            raise Unmeasurable(
                f"the outputs are not finite (NaN) for {self._broken} of {self._examples} {part} "
                "examples"
            )


def _broken_rows(output: np.ndarray, count: int) -> int:
    """Returns how many of `count` examples have a NaN in an output; all if it has other rows."""
    import numpy as np

    array = np.asarray(output)
    if not np.issubdtype(array.dtype, np.floating):
        return 0
    if not array.ndim or len(array) != count:
        return count if np.isnan(array).any() else 0
    return int(np.isnan(array).reshape(count, -1).any(axis=1).sum())
