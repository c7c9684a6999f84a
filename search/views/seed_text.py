"""What trainings with other seeds say about the front, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.objectives.base import Measurement
from paretune.search.front.seed_means import SEEDS, seed_mean
from paretune.search.front.seed_outcome import SeedOutcome
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.study.seed_results import SeedResult
from paretune.search.study.units import format_interval, format_quantity, format_value
from paretune.search.views.shown_measurements import without_repeats
from paretune.search.views.words import count_text, list_text


def seed_notes(outcome: SeedOutcome, axes: Sequence[Axis]) -> list[str]:
    """Returns notes for the front's table: what is shown, what left, and how lucky it was."""
    failed = [f"Trial {number}: {text}." for number, text in outcome.failed.items()]
    if not outcome.done:
        fixed = _fixed_text(outcome)
        return [f"{fixed or progress_text(outcome).capitalize()}.", *failed]
    notes = [
        f"Scores are means over up to {outcome.repeats} trainings with different seeds; their "
        "intervals hold the spread between seeds and the error of the examples. sd: standard "
        "deviation between seeds. A trial's own network is that of its first training."
    ]
    if not outcome.decided:
        notes.append(f"{progress_text(outcome).capitalize()}; the front is that of the search.")
    notes += [f"{text[0].upper()}{text[1:]}." for text in _moves(outcome)]
    lucky = [axis for axis in axes if axis.name in outcome.luck]
    return notes + failed + [_luck_text(axis, outcome.luck[axis.name]) for axis in lucky]


def progress_text(outcome: SeedOutcome) -> str:
    """Returns `trainings with other seeds: 4 of 6 done`."""
    of_all = f" of {outcome.planned}" if outcome.planned is not None else ""
    return f"trainings with other seeds: {outcome.done}{of_all} done"


def status_text(outcome: SeedOutcome) -> str:
    """Returns the line of `paretune status`."""
    moves = _moves(outcome) if outcome.decided else ["the front is that of the search"]
    return "; ".join([progress_text(outcome), *moves])


def seed_lines(trial: TrialRecord) -> list[str]:
    """Returns the lines of `paretune show`: each further training, and the mean over all."""
    if not trial.seeds:
        return []
    if any(result.state == "fixed" for result in trial.seeds):
        return ["seeds", "  trains nothing of its own, so no seed changes it"]
    complete = [result for result in trial.seeds if result.state == "complete"]
    lines = ["seeds (the values above are those of the first)"]
    lines += [f"  {_result_text(result)}" for result in trial.seeds]
    for name, measured in without_repeats(trial.measurements).items():
        others = [result.validation[name] for result in complete if name in result.validation]
        if others:
            mean = seed_mean(measured, others)
            spread = mean.conditions[SEEDS]["deviation"]
            lines.append(
                f"  {name} mean {format_quantity(mean.value, mean)} ({format_interval(mean)}), "
                f"sd {deviation_text(spread, mean)}, {len(others) + 1} seeds"
            )
    return lines


def _result_text(result: SeedResult) -> str:
    if result.state != "complete":
        reason = result.reason or {}
        return f"seed {result.repeat + 1}: {result.state} in {reason.get('stage', '?')}"
    shown = without_repeats(result.validation)
    values = "  ".join(f"{name} {format_quantity(m.value, m)}" for name, m in shown.items())
    return f"seed {result.repeat + 1}: {values}"


def _moves(outcome: SeedOutcome) -> list[str]:
    """Returns which trials left the front or came in, and which have no seed to change."""
    left, came_in = sorted(outcome.not_confirmed), outcome.came_in
    moves = []
    if left:
        moves.append(f"{_trials(left)} of the search's front not confirmed")
    if came_in:
        moves.append(f"{_trials(came_in)} came in by the mean")
    if outcome.done and outcome.decided and not left and not came_in:
        moves.append("they confirm the front")
    return moves + ([_fixed_text(outcome)] if outcome.fixed else [])


def _fixed_text(outcome: SeedOutcome) -> str:
    """Returns which members no seed changes; empty if there are none."""
    if not outcome.fixed:
        return ""
    whose = "trains nothing of its own, so no seed changes it"
    if len(outcome.fixed) > 1:
        whose = "train nothing of their own, so no seed changes them"
    return f"{_trials(outcome.fixed).capitalize()} {whose}"


def _trials(numbers: Sequence[int]) -> str:
    return f"{count_text(len(numbers), 'trial').split(' ')[1]} {list_text(numbers)}"


def _luck_text(axis: Axis, luck: float) -> str:
    """Returns how much better the first trainings were than the further ones."""
    word = "better" if luck >= 0 else "worse"
    return (
        f"{axis.name}: the first trainings of the search's front are "
        f"{deviation_text(abs(luck), axis)} {word} than the further ones, in the mean."
    )


def deviation_text(size: float, quantity: Measurement | Axis) -> str:
    """Returns a difference between values of one quantity: `0.42 points`, `0.03 nats`."""
    if quantity.unit == "fraction":
        return f"{100 * size:.2f} points"
    return format_value(size, quantity.unit)
