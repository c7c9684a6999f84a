"""The groups of trials that figures draw differently."""

from __future__ import annotations

from collections.abc import Callable

from paretune.search.study.records import StudyRecord
from paretune.search.views.trial_groups import group_trials

MakeRecord = Callable[..., StudyRecord]


def test_each_trial_is_in_one_group(make_record: MakeRecord) -> None:
    record = make_record(100)
    groups = group_trials(record)
    numbers = sorted(t.number for t in groups.all)
    assert numbers == [t.number for t in record.trials if t.state == "complete"]
