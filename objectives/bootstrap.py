"""Bootstrap samples of examples: the same ones for all networks, so that scores can be paired."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 400
"""Bootstrap samples."""


def resample_weights(count: int) -> Iterator[np.ndarray]:
    """Yields for each bootstrap sample how often it has each example, float64 [N].

    The seed is fixed. So all scores over the same N examples are resampled alike.

    Args:
        count: Number of examples N.
    """
    import numpy as np

    random = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        yield np.bincount(random.integers(0, count, count), minlength=count).astype(float)
