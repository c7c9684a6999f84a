"""The front of a study by its measurements in another runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.retargeting.table import retarget_info, retargeted_record
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord
from paretune.search.study.retarget_records import RetargetedStudy, RetargetedTrial
from paretune.search.study.tables import RUNTIMES


def retargeting(record: StudyRecord, latencies: dict[int, float], **source: Any) -> RetargetedStudy:
    """Returns the record with another latency of each trial; NaN: it could not be measured."""
    deployment = Deployment(None, "torch", RUNTIMES.get("torch").Params())
    rows = {}
    for number, value in latencies.items():
        latency = Measurement("latency", value, "ms", "lower", value, value)
        parts = {} if value != value else {"validation": {"latency": latency}, "test": {}}
        rows[number] = RetargetedTrial(number, "s", None, "torch", {}, "h", 5.0, "why", None, parts)
    changed = replace(record, source={**record.source, **source})
    return RetargetedStudy(changed, deployment, rows, {"cpu": "a", "cores": 1})


def test_front_follows_from_the_new_measurements(make_record: Any) -> None:
    record = make_record(40, 2)
    members = sorted(record.members - {0})
    latencies = {number: 1.0 + 0.01 * index for index, number in enumerate(members)}
    best = max(members, key=lambda n: record.trials[n].values["accuracy"])
    latencies[best] = (
        0.5  # the most accurate is the fastest there, and so the only one on the front
    )
    result = retargeting(record, {0: 2.0, **latencies})
    assert retargeted_record(result).members == {best}
    info = retarget_info(result)
    assert [row.new.trial for row in info.rows][:2] == [0, best]
    rows = {row.new.trial: row for row in info.rows}
    assert rows[best].new.on_front and rows[best].new.ratios["latency"] == pytest.approx(4.0)
    others = [rows[n] for n in members if n != best]
    assert all(not row.new.on_front and row.was_on_front for row in others)
    assert rows[best].was["latency"].value == record.trials[best].values["latency"]


def test_constraint_is_checked_against_the_new_baseline(make_record: Any) -> None:
    record = make_record(40, 2)
    number = min(record.members - {0})
    source = {"constraints": ["latency <= 0.5 x baseline"]}
    met = retargeting(record, {0: 4.0, number: 1.9}, **source)
    assert number in retargeted_record(met).members
    violated = retargeting(record, {0: 3.0, number: 1.9}, **source)
    assert number not in retargeted_record(violated).members


def test_trial_that_could_not_be_measured_is_listed_as_skipped(make_record: Any) -> None:
    record = make_record(40, 2)
    number = min(record.members - {0})
    info = retarget_info(retargeting(record, {0: 2.0, number: float("nan")}))
    assert info.skipped == {number: "why"}
    assert [row.new.trial for row in info.rows] == [0]
