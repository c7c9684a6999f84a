"""The contributions of techniques in words, for the terminal and as JSON for the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paretune.search.front.changes import Change
from paretune.search.study.records import Axis
from paretune.search.study.units import format_times
from paretune.search.views.attribution import Contribution
from paretune.search.views.change_text import SLOWER, WITHIN, signed_difference, times_text

EXPLANATION = (
    "Each technique is judged beside the trial's other techniques, so contributions need not add "
    "up to the difference from the baseline."
)


def contribution_lines(contributions: Sequence[Contribution], axes: Sequence[Axis]) -> list[str]:
    """Returns a line for each technique, and one for each objective below it."""
    width = max((len(axis.name) for axis in axes), default=0) + 2
    lines = []
    for contribution in contributions:
        lines.append(f"{contribution.text}: {source_text(contribution)}")
        for axis in axes:
            if axis.name in contribution.effects:
                figure, interval, noise = effect_texts(contribution.effects[axis.name], axis)
                spread = f" ({interval})" if interval else ""
                lines.append(f"  {axis.name:<{width}}{figure}{spread}{noise and f', {noise}'}")
    return lines


def contributions_json(
    contributions: Sequence[Contribution], axes: Sequence[Axis]
) -> list[dict[str, Any]]:
    """Returns the contributions with their texts, as JSON."""
    return [
        {
            "technique": contribution.technique,
            "text": contribution.text,
            "source": contribution.source,
            "without": contribution.without,
            "from": source_text(contribution),
            "effects": [
                _effect_json(contribution.effects[axis.name], axis)
                for axis in axes
                if axis.name in contribution.effects
            ],
        }
        for contribution in contributions
    ]


def source_text(contribution: Contribution) -> str:
    """Returns where the figures come from: `measured against trial 7, the same plan without it`."""
    if contribution.source == "measured":
        return f"measured against trial {contribution.without}, the same plan without it"
    return f"{contribution.source}: {contribution.note}"


def effect_texts(change: Change, axis: Axis) -> tuple[str, str, str]:
    """Returns the figure, its 95 % interval and `within noise`, each as text; the last may be "".

    Args:
        change: The difference between the trial and the plan without the technique.
        axis: The objective.
    """
    noise = "" if change.beyond_noise or change.exact else WITHIN
    if change.exact and change.value == (1.0 if change.relative else 0.0):
        return f"same {axis.name}", "", ""
    if change.relative and not axis.is_score:
        ends = (change.low, change.high)
        if change.value < SLOWER:
            ends = (1 / change.high, 1 / change.low)
        interval = "" if change.exact else " to ".join(map(format_times, ends))
        return times_text(change.value, axis), interval, noise
    low, value, high, unit = _signed(change, axis)
    interval = "" if change.exact else f"{low:+.2f} to {high:+.2f}"
    return f"{value:+.2f} {unit}".rstrip(), interval, noise


def _signed(change: Change, axis: Axis) -> tuple[float, float, float, str]:
    if axis.unit == "fraction" and not change.relative:
        return 100 * change.low, 100 * change.value, 100 * change.high, "points"
    return signed_difference(change, axis)


def _effect_json(change: Change, axis: Axis) -> dict[str, Any]:
    figure, interval, noise = effect_texts(change, axis)
    return {
        "objective": axis.name,
        "part": change.part,
        "text": figure,
        "interval": interval,
        "beyond_noise": change.beyond_noise,
        "exact": change.exact,
        "noise": noise,
        "better": _is_better(change, axis),
        "value": change.value,
        "low": change.low,
        "high": change.high,
        "relative": change.relative,
    }


def _is_better(change: Change, axis: Axis) -> bool:
    """Returns whether the technique improved the objective."""
    if change.relative:
        return change.value > 1
    return change.value > 0 if axis.better == "higher" else change.value < 0
