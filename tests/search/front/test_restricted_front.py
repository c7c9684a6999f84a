"""The front of the trials that meet conditions; conditions as `--pick` and `--within` read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paretune.objectives.base import Measurement
from paretune.search.errors import UserError
from paretune.search.front.conditions import Conditions, read_conditions
from paretune.search.front.pick import pick
from paretune.search.front.restricted_front import restricted_front
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord

MakeRecord = Callable[..., StudyRecord]


def trial(number: int, error: float, latency: float, memory: float) -> TrialRecord:
    values = {"error": error, "latency": latency, "memory": memory}
    units = {"error": "", "latency": "ms", "memory": "bytes"}
    measured = {
        name: Measurement(name, v, units[name], "lower", v, v, 1, {}) for name, v in values.items()
    }
    objectives = {"error": error, "latency": latency}
    return TrialRecord(number, "complete", {}, [], objectives, measured)


RECORD = StudyRecord(
    "four",
    {},
    (Axis("error", "", "lower"), Axis("latency", "ms", "lower")),
    (
        trial(0, 1.0, 4.0, 100.0),
        trial(1, 1.0, 1.0, 5000.0),
        trial(2, 2.0, 2.0, 900.0),  # dominated by trial 1, which breaks the condition on memory
        trial(3, 3.0, 3.0, 800.0),
    ),
    (FrontPoint(1, 1.0, 0.5, (1,)),),
)


def conditions(*texts: str, record: StudyRecord = RECORD) -> Conditions:
    return read_conditions(record, texts, "--within")


def test_trial_that_only_others_beyond_the_condition_dominate_is_on_the_front() -> None:
    front = restricted_front(RECORD, conditions("memory <= 1 KB"))
    assert RECORD.members == {1}
    assert front.members == {0, 2}
    assert [t.number for t in front.trials] == [0, 2, 3]


def test_baseline_stays_for_comparison_and_is_not_on_the_front() -> None:
    front = restricted_front(RECORD, conditions("latency <= 0.5 x baseline"))
    assert front.members == {1}
    assert front.baseline is not None and front.baseline.number == 0


def test_conditions_join() -> None:
    found = conditions("latency <= 0.5 x baseline", "memory <= 1 KB")
    assert restricted_front(RECORD, found).members == {2}


def test_nearest_trial_misses_the_bounds_by_least() -> None:
    found = conditions("memory <= 50 bytes", "latency <= 1 ms")
    assert restricted_front(RECORD, found).members == frozenset()
    nearest = found.nearest(RECORD.trials)
    assert nearest is not None and nearest.number == 0
    assert found.missed(nearest) == "memory 100 B, not <= 50 B; latency 4.00 ms, not <= 1.00 ms"


def test_restricted_front_without_conditions_that_bind_is_the_front(
    make_record: MakeRecord,
) -> None:
    record = make_record(60)
    found = conditions("latency <= 1000 s", record=record)
    assert restricted_front(record, found).members == record.members


def test_members_that_were_not_measured_again_are_compared_by_the_search() -> None:
    timed = trial(1, 1.0, 9.0, 1.0).measurements["latency"]
    members = (0, 1)
    record = replace(
        RECORD,
        trials=tuple(
            replace(t, final={"latency": timed}) if t.number in members else t
            for t in RECORD.trials
        ),
        growth=(FrontPoint(1, 1.0, 0.5, members),),
    )
    front = restricted_front(record, conditions("memory <= 1 KB", record=record))
    assert 2 in front.members and front.final_members is None
    assert front.trials[1].measurements["latency"].value == 2.0
    front = restricted_front(record, conditions("memory <= 100 bytes", record=record))
    assert front.final_members == {0}
    assert front.trials[0].measurements["latency"].value == 9.0


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("memry <= 1 KB", "'memry' is not measured; there is error, latency, memory"),
        ("memory <= 1 ms", 'wrong unit "ms"; give b, kb'),
        ("memory", "is not a constraint"),
    ],
)
def test_text_that_is_no_condition_is_refused(text: str, rule: str) -> None:
    with pytest.raises(UserError, match=rule) as error:
        conditions(text)
    assert str(error.value).startswith("--within: ")


def test_condition_on_the_baseline_of_a_study_without_one_is_refused() -> None:
    record = replace(RECORD, trials=RECORD.trials[1:])
    assert pick(record, "latency <= 1 ms").number == 1
    for read in (lambda text: conditions(text, record=record), lambda text: pick(record, text)):
        with pytest.raises(UserError, match="the study has no baseline; give a number"):
            read("latency <= 0.5 x baseline")
