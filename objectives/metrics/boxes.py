"""The boxes of an image, true or detected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image: the true ones, or the detected ones.

    Attributes:
        boxes: Left, top, right and bottom edges in pixels, float [K, 4].
        classes: Class of each box, int [K].
        scores: Score of each detected box, float [K]; None for true boxes.
        crowd: Whether each true box is a crowd, bool [K]; None if none is.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = field(default=None)
    crowd: np.ndarray | None = field(default=None)
