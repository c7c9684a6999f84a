"""The table of trade-offs: a pure function of a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paretune.search.front.highlights import highlights_of
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import front_info, ratios_of

MakeRecord = Callable[..., StudyRecord]


def test_front_info_begins_with_the_baseline_then_best_accuracy_first(
    make_record: MakeRecord,
) -> None:
    info = front_info(make_record(60))
    assert info.rows[0].trial == 0
    accuracies = [row.validation["accuracy"].value for row in info.rows[1:]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) > 3


def test_front_info_is_empty_without_trials(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert front_info(empty).rows == ()


def test_ratios_are_baseline_over_value(make_record: MakeRecord) -> None:
    record = make_record(30)
    trial = record.front[-1]
    assert ratios_of(trial, record) == pytest.approx(
        {"latency": 2.0 / trial.values["latency"], "size": 8e6 / trial.values["size"]}
    )


def test_fastest_mark_is_the_fastest_within_a_point(make_record: MakeRecord) -> None:
    record = make_record(200)
    near = [t for t in record.front if t.number and t.values["accuracy"] >= 0.95 - 0.01 - 1e-9]
    fastest = min(near, key=lambda t: t.values["latency"]).number
    assert (fastest, "fastest within 1 point") in {(h.trial, h.text) for h in highlights_of(record)}
