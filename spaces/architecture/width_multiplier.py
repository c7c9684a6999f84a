"""Channels of a layer under a width multiplier."""

from __future__ import annotations


def scaled(channels: int, width: float, multiple: int = 8) -> int:
    """Returns `channels * width`, rounded to the nearest multiple and at least one multiple.

    Multiples of 8 keep vector units full. Other channel counts can make a narrower network slower.
    """
    return max(multiple, int(channels * width / multiple + 0.5) * multiple)
