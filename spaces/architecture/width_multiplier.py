"""How a width multiplier becomes a number of channels."""

from __future__ import annotations


def scaled(channels: int, width: float, multiple: int = 8) -> int:
    """`channels * width` rounded to the nearest multiple, at least one multiple.

    Multiples of 8 keep vector units full; odd channel counts can make a narrower network slower.
    """
    return max(multiple, int(channels * width / multiple + 0.5) * multiple)
