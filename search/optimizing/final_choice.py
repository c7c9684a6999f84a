"""The trial that an optimization exports: it meets the goals best, or is the nearest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretune.search.optimizing.goals import Standing, standings
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Constraint

MET_RULE = (
    "of the trials that meet every goal, the one whose smallest margin is the largest; "
    "a margin counts as a share of the largest one"
)

NEAREST_RULE = (
    "of all trials, the one whose largest miss is the smallest; "
    "a miss counts as a share of the way from the baseline to the goal"
)

NO_GOAL_RULE = "the knee of the front, as there is no goal"


@dataclass(frozen=True)
class FinalChoice:
    """The trial to export, and why.

    Attributes:
        trial: The trial.
        standings: How it stands to each goal.
        meeting: Numbers of all trials that meet every goal.
        rule: How it was chosen, in words.
    """

    trial: TrialRecord
    standings: tuple[Standing, ...]
    meeting: tuple[int, ...]
    rule: str

    @property
    def met(self) -> bool:
        """Whether it meets every goal."""
        return all(stand.met for stand in self.standings)

    @property
    def missed(self) -> tuple[Standing, ...]:
        """The goals that it misses."""
        return tuple(stand for stand in self.standings if not stand.met)


def final_choice(record: StudyRecord, goals: Sequence[Constraint]) -> FinalChoice | None:
    """Returns the trial that meets the goals best; if none meets them, the nearest.

    Only trials that keep the constraints count, if there are any. The baseline never counts.

    Args:
        record: The study, with its final front.
        goals: The goals; at least one.

    Returns:
        None if no trial is complete.
    """
    complete = [
        trial
        for trial in record.trials
        if trial.number > 0 and trial.measured_now and trial.repeat_of is None
    ]
    candidates = [trial for trial in complete if trial.feasible] or complete
    base = record.baseline.measurements if record.baseline else {}
    stands = {
        trial.number: stand
        for trial in candidates
        if (stand := standings(trial.measurements, goals, base)) is not None
    }
    if not stands:
        return None
    meeting = tuple(n for n, stand in stands.items() if all(s.met for s in stand))
    scores = _shares({n: stands[n] for n in meeting}) if meeting else _misses(stands)
    # Of equal trials, one of the front: it was measured again, and on the test part.
    best = max(scores, key=lambda n: (scores[n], n in record.members, -n))
    trial = next(trial for trial in candidates if trial.number == best)
    return FinalChoice(trial, stands[best], meeting, MET_RULE if meeting else NEAREST_RULE)


def _misses(stands: dict[int, tuple[Standing, ...]]) -> dict[int, float]:
    """Returns the smallest margin of each trial."""
    return {number: min(s.margin for s in each) for number, each in stands.items()}


def _shares(stands: dict[int, tuple[Standing, ...]]) -> dict[int, float]:
    """Returns the smallest margin of each trial, as a share of the largest for its goal."""
    largest = [max(s.margin for s in column) for column in zip(*stands.values(), strict=True)]
    return {
        number: min(
            s.margin / most if most > 0 else 0.0 for s, most in zip(each, largest, strict=True)
        )
        for number, each in stands.items()
    }
