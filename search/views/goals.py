"""Which goals of a study are reached, and by whom."""

from __future__ import annotations

from dataclasses import dataclass

from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord


@dataclass(frozen=True)
class GoalInfo:
    """A goal and the members of the front that reach it.

    Attributes:
        text: As the user wrote it.
        trials: Their numbers; empty while nobody does.
    """

    text: str
    trials: tuple[int, ...]

    @property
    def line(self) -> str:
        """The goal in one line."""
        shown = ", ".join(map(str, self.trials[:6])) + (", ..." if len(self.trials) > 6 else "")
        return f"goal {self.text}: " + (f"reached by trial {shown}" if shown else "not yet")


def goals_info(record: StudyRecord) -> tuple[GoalInfo, ...]:
    """The goals of a study; pure. None while nothing is measured that they may refer to."""
    first = record.baseline or next((t for t in record.trials if t.state == "complete"), None)
    if first is None or ("baseline" in record.source and record.baseline is None):
        return ()
    units = {name: m.unit for name, m in first.measurements.items()}
    found = []
    for text in record.source.get("goals") or ():
        goal = read_constraint(text, units, record.targets)
        reference = first.measurements[goal.quantity].value  # of no weight without a baseline
        reached = [
            trial.number
            for trial in record.front
            if trial.number
            and goal.violation(trial.measurements[goal.quantity].value, reference) <= 0
        ]
        found.append(GoalInfo(goal.text, tuple(reached)))
    return tuple(found)
