"""A difference from the baseline in words and figures, for the terminal and the report."""

from __future__ import annotations

from paretune.search.front.changes import Change
from paretune.search.study.quantity import SUSTAINED, Quantity
from paretune.search.study.records import Axis
from paretune.search.study.units import format_times

WITHIN = "within noise"
"""The words for a difference that may be chance."""

MARK = "≈"
"""Sign before a figure that differs from the baseline's only within noise."""

SLOWER = 0.995
"""A ratio below this is said the other way around: 1.8x slower instead of 0.56x faster."""

WORDS = {"ms": ("faster", "slower", "as fast"), "bytes": ("smaller", "larger", "same size")}
"""Unit -> words for better, worse and equal."""

OF_QUANTITY = {
    "memory": ("less memory", "more memory", "as much memory"),
    SUSTAINED: ("faster under load", "slower under load", "as fast under load"),
}
"""Quantity -> words that take the place of those of its unit, which say another quantity."""


def better_word(axis: Axis) -> str:
    """Returns the word for better on an axis: `faster`, `smaller`, `better in energy`."""
    return _word(axis, 0)


def times_text(ratio: float, axis: Axis) -> str:
    """Returns `2.1x faster`; for a ratio below 1 `1.8x slower`."""
    figure, word = times_words(ratio, axis)
    return f"{figure} {word}"


def times_words(ratio: float, axis: Axis) -> tuple[str, str]:
    """Returns `2.1x` and `faster`; for a ratio below 1 `1.8x` and `slower`."""
    if ratio >= SLOWER:
        return format_times(ratio), better_word(axis)
    return format_times(1 / ratio), _word(axis, 1)


def equal_text(axis: Axis) -> str:
    """Returns what a trial is within noise of the baseline: `as fast`, `same accuracy`."""
    if _words(axis) is None:
        return f"same {axis.name}"
    return _word(axis, 2)


def noise_mark(change: Change | None) -> str:
    """Returns the sign for a difference from the baseline within noise, or an empty string."""
    return MARK if change and change.within_noise else ""


def points_text(change: Change) -> str:
    """Returns a difference of fractions in points: `-0.5 ±0.4`, `≈-0.2 ±0.4` within noise, `same`.

    It is `same` if the networks are equally right on every example.
    """
    if change.value == 0 and change.exact:
        return "same"
    points, half = 100 * change.value, 100 * change.half
    digits = 1 if half >= 0.095 or abs(points) >= 9.95 else 2
    rounded = round(points, digits) + 0.0  # without the sign of -0.0
    figure = f"{noise_mark(change)}{rounded:{'+' if rounded else ''}.{digits}f}"
    return figure if change.exact else f"{figure} ±{half:.{digits}f}"


def difference_text(change: Change, axis: Axis) -> str:
    """Returns the difference of a score: in points, or `-2.1 ±0.8 %` of the baseline's value.

    A score that may be negative has its difference in its own unit.
    """
    if axis.unit == "fraction":
        return points_text(change)
    if change.value == change.low == change.high == (1.0 if change.relative else 0.0):
        return "same"
    low, value, high, unit = signed_difference(change, axis)
    half = value - low if value > 0 else high - value
    digits = 1 if half >= 0.095 or abs(value) >= 9.95 else 2
    rounded = round(value, digits) + 0.0  # without the sign of -0.0
    figure = f"{noise_mark(change)}{rounded:{'+' if rounded else ''}.{digits}f}"
    spread = "" if change.exact else f" ±{half:.{digits}f}"
    return f"{figure}{spread} {unit}".rstrip()


def signed_difference(change: Change, axis: Axis) -> tuple[float, float, float, str]:
    """Returns low end, value and high end of (trial - baseline), and the unit: `%` or the score's.

    Args:
        change: The difference of a score that is no fraction.
        axis: The score.
    """
    ends = (change.low, change.value, change.high)
    if not change.relative:
        return (*ends, axis.unit)
    ratios = [1 / end for end in ends] if axis.better == "lower" else list(ends)
    low, value, high = sorted(100 * (ratio - 1) for ratio in ratios)
    return low, value, high, "%"


def within_text(change: Change, unit: str = "fraction") -> str:
    """Returns `within ±1.6 points`, `within ±5 %`: how far apart the two may be at most."""
    if change.exact:
        return "no difference"
    if change.relative:
        return f"within ±{100 * max(change.high - 1, 1 / change.low - 1):.2g} %"
    if unit != "fraction":
        return f"within ±{max(abs(change.low), abs(change.high)):.2g} {unit}".rstrip()
    far = 100 * max(abs(change.low), abs(change.high))
    return f"within ±{far:.{1 if far >= 0.095 else 2}f} points"


def evidence_text(change: Change) -> str:
    """Returns `McNemar p = 0.30: within noise`; empty if there is nothing to say."""
    noise = "" if change.beyond_noise or change.exact else WITHIN
    if change.p is None or change.exact:
        return noise
    p = f"McNemar p {format_p(change.p)}"
    return f"{p}: {noise}" if noise else p


def format_p(p: float) -> str:
    """Returns a p-value: `= 0.30`, `= 0.034`, `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.2f}" if p >= 0.0995 else f"= {p:.3f}"


def _word(axis: Axis, index: int) -> str:
    words = _words(axis)
    if words is None:
        return f"{('better', 'worse')[index]} in {axis.name}"
    target = Quantity.of(axis.name).target
    return words[index] + (f" on {target}" if target else "")


def _words(axis: Axis) -> tuple[str, str, str] | None:
    """Returns the words for better, worse and equal; None if there are none of its own."""
    return OF_QUANTITY.get(Quantity.of(axis.name).local) or WORDS.get(axis.unit)
