"""The goals of a study, and the trials that reach them."""

from __future__ import annotations

from dataclasses import dataclass

from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord
from paretune.search.views.words import list_text


@dataclass(frozen=True)
class GoalInfo:
    """A goal and the trials of the front that reach it.

    Attributes:
        text: The goal as the user wrote it.
        trials: Trial numbers; empty while no trial reaches it.
    """

    text: str
    trials: tuple[int, ...]

    @property
    def line(self) -> str:
        """The goal and its trials in one line."""
        if not self.trials:
            return f"goal {self.text}: not reached yet"
        word = "trial" if len(self.trials) == 1 else "trials"
        return f"goal {self.text}: reached by {word} {list_text(self.trials)}"


def goals_info(record: StudyRecord) -> tuple[GoalInfo, ...]:
    """Returns the goals of a study; empty until the baseline is measured. Pure."""
    first = record.baseline or next((t for t in record.trials if t.state == "complete"), None)
    if first is None or ("baseline" in record.source and record.baseline is None):
        return ()
    units = {name: m.unit for name, m in first.measurements.items()}
    goals = []
    for text in record.source.get("goals") or ():
        goal = read_constraint(text, units, record.targets)
        reference = first.measurements[goal.quantity].value  # has no effect without a baseline
        reached = [
            trial.number
            for trial in record.front
            if trial.number
            and goal.violation(trial.measurements[goal.quantity].value, reference) <= 0
        ]
        goals.append(GoalInfo(goal.text, tuple(reached)))
    return tuple(goals)
