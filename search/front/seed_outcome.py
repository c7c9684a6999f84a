"""What the trainings with other seeds say about the front of the search. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.search.front.seed_means import (
    decided_trials,
    infeasible_training,
    repeats_of,
    search_members,
    seed_spread,
    used,
)
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.seed_results import FIRST, SeedResult


@dataclass(frozen=True)
class SeedOutcome:
    """What the further trainings say about the front of the search.

    Attributes:
        repeats: Number of trainings that the study asks for, of each trial on the front.
        done: Number of further trainings that are done.
        planned: Number of further trainings of this front; None if no run has planned them.
        decided: Whether the front is decided by the means: every member was trained again.
        not_confirmed: Member of the search's front that left it -> why.
        came_in: Trials that came in.
        fixed: Members that train nothing of their own, so that a seed changes nothing.
        failed: Trial -> the error of a further training; the next run trains it again.
        luck: Objective -> how much better the first training of the search's front is than its
            further ones, in the mean over its members; negative if it is worse.
    """

    repeats: int
    done: int
    planned: int | None
    decided: bool
    not_confirmed: Mapping[int, str]
    came_in: tuple[int, ...]
    fixed: tuple[int, ...]
    failed: Mapping[int, str]
    luck: Mapping[str, float]


def seed_outcome(record: StudyRecord) -> SeedOutcome | None:
    """Returns what the further trainings say; None in a study without repeats.

    Args:
        record: The study with its final front (`final_front.with_final_front`).
    """
    most = repeats_of(record.source)
    if most < 2:
        return None
    trials = {trial.number: trial for trial in record.trials}
    seeds = {number: used(trial, most) for number, trial in trials.items() if trial.seeds}
    before = sorted(search_members(record) - {0})
    decided = decided_trials(record) is not None and record.final_members is not None
    left = [number for number in before if number not in record.members] if decided else []
    planned = record.info.get("repeats", {}).get("trainings")
    return SeedOutcome(
        repeats=most,
        done=sum(result.repeat != FIRST for results in seeds.values() for result in results),
        planned=planned,
        decided=decided,
        not_confirmed={n: _why_left(trials[n], seeds.get(n, ())) for n in left if n in trials},
        came_in=tuple(sorted(record.members - {0, *before})) if decided else (),
        fixed=tuple(n for n in before if any(r.state == "fixed" for r in seeds.get(n, ()))),
        failed={
            number: _reason_text(result)
            for number, trial in trials.items()
            for result in trial.seeds
            if result.state == "failed" and result.repeat < most
        },
        luck=_luck([trials[n] for n in before if n in trials], record),
    )


def _why_left(trial: TrialRecord, results: Sequence[SeedResult]) -> str:
    """Returns why a member of the search's front left it."""
    failure = infeasible_training(results)
    if failure is not None:
        return _reason_text(failure)
    broken = [text for text, violation in trial.violations.items() if violation > 0]
    if broken:
        return f"breaks {'; '.join(broken)} in the mean"
    if not trial.single:
        return "dominated after the final session"
    return "dominated by its mean"


def _reason_text(result: SeedResult) -> str:
    """Returns `seed 2 failed in finetune: out of memory`."""
    reason = result.reason or {}
    text = (str(reason.get("text", "")).splitlines() or [""])[0]
    return f"seed {result.repeat + 1} {result.state} in {reason.get('stage', '?')}: {text}"


def _luck(members: Sequence[TrialRecord], record: StudyRecord) -> dict[str, float]:
    luck = {}
    for axis in record.axes:
        spreads = [s for t in members if (s := seed_spread(t.measurements.get(axis.name)))]
        if any(spread.deviation for spread in spreads):
            sign = 1 if axis.better == "higher" else -1
            gaps = [s.values[0] - statistics.fmean(s.values[1:]) for s in spreads]
            luck[axis.name] = sign * statistics.fmean(gaps)
    return luck
