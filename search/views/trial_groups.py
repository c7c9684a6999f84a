"""The groups of trials that figures draw differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paretune.search.front.final_front import NEAR_FRONT
from paretune.search.study.records import StudyRecord, TrialRecord

NO_CHANCES: Mapping[int, float] = {}


@dataclass(frozen=True)
class TrialGroups:
    """The trials that have values, each in one group; a repeated plan is drawn once.

    Attributes:
        baseline: The baseline, if it is complete.
        front: Trials on the front.
        near: Trials that may be on the front, by their probability.
        dominated: The other feasible trials.
        infeasible: Complete trials that break a constraint.
    """

    baseline: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    near: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]

    @property
    def all(self) -> tuple[TrialRecord, ...]:
        """Every trial that has values."""
        return (*self.feasible, *self.infeasible)

    @property
    def feasible(self) -> tuple[TrialRecord, ...]:
        """Trials that break no constraint."""
        return (*self.baseline, *self.front, *self.near, *self.dominated)


def group_trials(record: StudyRecord, chances: Mapping[int, float] = NO_CHANCES) -> TrialGroups:
    """Groups the complete trials of a study.

    Args:
        record: The study.
        chances: Trial -> probability to be on the front; decides which trials are near.
    """
    members = record.members
    near = {number for number, p in chances.items() if p >= NEAR_FRONT and number not in members}
    trials = [t for t in record.trials if t.number and t.measured_now and t.repeat_of is None]
    return TrialGroups(
        (record.baseline,) if record.baseline else (),
        tuple(t for t in trials if t.number in members),
        tuple(t for t in trials if t.number in near),
        tuple(t for t in trials if t.number not in members | near and t.feasible),
        tuple(t for t in trials if not t.feasible),
    )
