"""The goals of a study, and the trials that reach them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.study.records import StudyRecord
from paretune.search.views.goals import GoalInfo, goals_info

MakeRecord = Callable[..., StudyRecord]


def test_goal_names_the_trials_that_reach_it(make_record: MakeRecord) -> None:
    record = make_record(60)
    [goal] = goals_info(record)
    expected = [t.number for t in record.front if t.number and t.values["latency"] <= 1.0]
    assert list(goal.trials) == expected
    assert goal.line.startswith("goal latency <= 0.5 x baseline: reached by trials ")


def test_goal_is_open_when_no_trial_reaches_it(make_record: MakeRecord) -> None:
    record = make_record(20)
    record = replace(record, source={"goals": ["latency <= 0.0001 ms"]})
    assert goals_info(record)[0].line == "goal latency <= 0.0001 ms: not reached yet"


def test_goal_line_counts_trials_beyond_six() -> None:
    assert GoalInfo("size <= 1 MB", (3,)).line == "goal size <= 1 MB: reached by trial 3"
    line = GoalInfo("size <= 1 MB", tuple(range(1, 10))).line
    assert line == "goal size <= 1 MB: reached by trials 1, 2, 3, 4, 5 and 4 more"
