"""Tells each round in two sentences: what was learned, and what is tried next and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from paretune.objectives.base import Measurement
from paretune.search.optimizing.final_choice import FinalChoice
from paretune.search.optimizing.goals import Standing, standings
from paretune.search.optimizing.space_edits import (
    AddValue,
    DropOption,
    Edit,
    SetEpochs,
    SetRange,
    range_text,
)
from paretune.search.study.durations import duration
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.study.spec import Constraint
from paretune.search.study.units import format_quantity, format_times, format_value
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.words import and_text, count_text

MOST_EDITS = 2
"""Changes that the second sentence names; the report lists all."""


def baseline_sentence(
    baseline: TrialRecord, axes: Sequence[Axis], bottleneck: str | None, goals: Sequence[Constraint]
) -> str:
    """Returns what the baseline's measurement has shown.

    Args:
        baseline: The baseline.
        axes: The objectives.
        bottleneck: Its slowest layer in words; None if it is not known.
        goals: The goals.
    """
    values = [
        f"{axis.name} {format_quantity(baseline.values[axis.name], axis)}"
        for axis in axes
        if axis.name in baseline.values
    ]
    slow = f"; {bottleneck}" if bottleneck else ""
    stands = standings(baseline.measurements, goals, baseline.measurements)
    met = bool(stands) and all(stand.met for stand in stands or ())
    goal = "; it meets every goal already" if met else ""
    return f"The baseline ({trial_plan_text(baseline)}) has {and_text(values)}{slow}{goal}."


def plan_sentence(searched: Sequence[str], share: float, trains: bool, seconds: float) -> str:
    """Returns what the first round tries, and why.

    Args:
        searched: Sections of the space with something to choose.
        share: Share of the full epochs in the first round.
        trains: Whether trials train.
        seconds: Time of the round.
    """
    subject = and_text(list(searched)) if searched else "what the space leaves"
    tries = f"Round 1 tries {subject} for {duration(seconds)}"
    if share < 1:
        return (
            f"{tries} with {100 * share:.0f} % of the epochs or all, because short trainings show "
            "sooner what pays."
        )
    if trains:
        return f"{tries} with all epochs, because shorter ones would not pay."
    return f"{tries}; no trial needs a training."


def learned_sentence(
    number: int, trials: Sequence[TrialRecord], seconds: float, choice: FinalChoice | None
) -> str:
    """Returns what a round has shown, with figures.

    Args:
        number: Number of the round.
        trials: Its trials.
        seconds: Seconds that it took.
        choice: The best trial of the study so far; None if none is complete.
    """
    ran = f"Round {number} ran {count_text(len(trials), 'trial')} in {duration(seconds)}"
    if choice is None:
        return f"{ran}, and none could be measured{_most_reason(trials)}."
    name = f"trial {choice.trial.number} ({trial_plan_text(choice.trial)})"
    if choice.met:
        values = [_value_text(stand) for stand in choice.standings]
        return f"{ran}: {name} meets every goal with {and_text(values)}."
    missed = [miss_text(stand) for stand in choice.missed]
    return f"{ran}: {name} is nearest to the goals, and misses {and_text(missed)}."


def _most_reason(trials: Sequence[TrialRecord]) -> str:
    reasons = Counter((t.reason or {}).get("text", "") for t in trials)
    text, _ = next(iter(reasons.most_common(1)), ("", 0))
    return f" ({text.splitlines()[0][:100]})" if text else ""


def _value_text(stand: Standing) -> str:
    return f"{stand.goal.quantity} {format_value(stand.value, stand.unit, stand.goal.quantity)}"


def miss_text(stand: Standing) -> str:
    """Returns `latency <= 0.5 x baseline by 0.012 ms (it has 0.062 ms)`."""
    gap = abs(stand.value - stand.bound)
    shown = f"{100 * gap:.2g} points" if stand.unit == "fraction" else format_value(gap, stand.unit)
    value = format_value(stand.value, stand.unit, stand.goal.quantity)
    return f'"{stand.goal.text}" by {shown} (it has {value})'


def goal_lines(choice: FinalChoice, baseline: Mapping[str, Measurement]) -> list[str]:
    """Returns a line for each goal: its value, bound, and whether it is met."""
    lines = []
    for stand in choice.standings:
        value, bound = (
            format_value(x, stand.unit, stand.goal.quantity) for x in (stand.value, stand.bound)
        )
        state = "met" if stand.met else "MISSED"
        times = _times_text(stand, baseline)
        lines.append(f'goal "{stand.goal.text}": {state} with {value} (bound {bound}){times}')
    return lines


def _times_text(stand: Standing, baseline: Mapping[str, Measurement]) -> str:
    """Returns `, 4.2x better than the baseline`; empty for a share, or if there is no baseline."""
    base = baseline.get(stand.goal.quantity)
    if base is None or stand.unit == "fraction" or min(base.value, stand.value) <= 0:
        return ""
    ratio = base.value / stand.value if base.better == "lower" else stand.value / base.value
    if ratio >= 1:
        return f", {format_times(ratio)} better than the baseline"
    return f", {format_times(1 / ratio)} worse than the baseline"


def next_sentence(number: int, edits: Sequence[Edit], share: float, earlier: float) -> str:
    """Returns what the next round tries, and why.

    Args:
        number: Number of the next round.
        edits: How its space differs.
        share: Its share of the full epochs.
        earlier: That of the round before.
    """
    changes = [_edit_text(edit) for edit in edits if not isinstance(edit, SetEpochs)]
    parts = []
    if share > earlier:
        parts.append(f"trains up to {_share_text(share)} epochs for what is promising")
    if not changes:
        parts.append("keeps the space, as nothing in it is worse beyond noise")
    parts += changes[:MOST_EDITS]
    if len(changes) > MOST_EDITS:
        more = count_text(len(changes) - MOST_EDITS, "more change")
        parts.append(f"makes {more} (see the report)")
    return f"Round {number} {and_text(parts)}."


def _share_text(share: float) -> str:
    if share > 1:
        return f"{share:g} times the"
    return "all" if share == 1 else f"{100 * share:.0f} % of the"


def _edit_text(edit: Edit) -> str:
    match edit:
        case DropOption(name, label, reason):
            return f"drops {label} from {name} ({reason})"
        case SetRange(name, _, new, reason):
            return f"searches {name} in {range_text(*new)} ({reason})"
        case AddValue(name, value, reason):
            return f"adds {value:g} to {name} ({reason})"
        case _:
            return f"sets {edit.name} ({edit.reason})"


def end_sentence(reason: str, choice: FinalChoice | None) -> str:
    """Returns the last round's second sentence: why no round follows, and what is exported."""
    if choice is None:
        return f"No round follows: {reason}; there is nothing to export."
    return f"No round follows: {reason}; trial {choice.trial.number} is exported."
