"""Records of trials and of a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from paretune.search.study.records import RACING, Result, StudyRecord, TrialRecord


def trial(number: int, state: Any = "complete", **fields: Any) -> TrialRecord:
    return TrialRecord(number, state, {}, [], **fields)


@pytest.mark.parametrize(
    ("state", "violations", "feasible"),
    [
        ("complete", {}, True),
        ("complete", {"size <= 1 MB": 0.0}, True),
        ("complete", {"size <= 1 MB": -0.5, "latency <= 1 ms": 0.1}, False),
        ("infeasible", {}, False),
    ],
)
def test_trial_is_feasible_when_it_is_complete_and_breaks_no_constraint(
    state: Any, violations: dict[str, float], feasible: bool
) -> None:
    values = {"accuracy": 0.9}
    assert trial(1, state, values=values, violations=violations).feasible is feasible
    assert not trial(1, state, violations=violations).feasible  # not measured in this version
    assert Result(state, values, violations=violations).feasible is feasible


def test_trial_is_held_by_racing_when_its_reason_is_a_race() -> None:
    reason = {"stage": "finetune", "type": RACING, "text": "not among the best"}

    assert trial(1, "paused", reason=reason).held_by_racing
    assert not trial(1, "failed", reason={**reason, "type": "ValueError"}).held_by_racing
    assert not trial(1).held_by_racing


def test_seconds_of_earlier_turns_are_added_by_stage() -> None:
    result = Result("complete").with_seconds({"finetune": 2.0, "measure": 1.0}, 3.0)

    total = result.with_earlier({"pretrain": 5.0, "finetune": 4.0})

    assert total.seconds == {"pretrain": 5.0, "finetune": 6.0, "measure": 1.0}
    assert list(total.seconds) == ["pretrain", "finetune", "measure"]
    assert total.duration == 3.0


def test_trials_are_counted_without_baseline_and_repeats() -> None:
    trials = (trial(0), trial(1), trial(2, repeat_of=1), trial(3, "stopped"), trial(4, "paused"))
    record = StudyRecord("x", {}, (), trials)

    assert (record.trial_count, record.stopped) == (3, 2)
    assert replace(record, counted=(70, 20)).trial_count == 70
    assert replace(record, counted=(70, 20)).stopped == 20


def test_baseline_is_trial_0_when_it_is_complete() -> None:
    assert StudyRecord("x", {}, (), (trial(0), trial(1))).baseline == trial(0)
    assert StudyRecord("x", {}, (), (trial(0, "failed"),)).baseline is None
    assert StudyRecord("x", {}, (), (trial(1),)).baseline is None
    assert StudyRecord("x", {}, (), ()).baseline is None


def test_front_is_the_final_one_when_there_is_one(make_record: Callable[..., StudyRecord]) -> None:
    record = make_record(12)
    searched = record.growth[-1].members

    assert [t.number for t in record.front] == sorted(searched)
    final = replace(record, final_members=frozenset({searched[0]}))
    assert [t.number for t in final.front] == [searched[0]]
    assert StudyRecord("x", {}, (), ()).members == frozenset()


def test_targets_come_from_the_study_file() -> None:
    assert StudyRecord("x", {"targets": {"a": "torch", "b": "torch"}}, (), ()).targets == ("a", "b")
    assert StudyRecord("x", {"targets": None}, (), ()).targets == ()
