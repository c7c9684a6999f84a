"""The embedded 8x8 digits; see DIGITS.md for source and licence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paretune.search.data.facts_of_targets import class_facts
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, checked_part

FILE = Path(__file__).with_name("digits.npz")


class DigitsData:
    """1,797 handwritten digits of 8x8 pixels, embedded: nothing is downloaded."""

    class Params(ImageDataParams):
        """Options of digits."""

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Returns train (half), validation and test (a quarter each), balanced by class."""
        with np.load(FILE) as arrays:
            parts = {
                part: checked_part("digits", part, arrays[f"x_{part}"], arrays[f"y_{part}"])
                for part in ("train", "validation", "test")
            }
        return RawData("digits", parts, class_facts("digits", parts))
