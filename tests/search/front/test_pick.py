"""Picking a trial of the front by mark, number or constraint."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paretune.search.errors import UserError
from paretune.search.front.highlights import highlight_texts
from paretune.search.front.pick import pick
from paretune.search.study.records import StudyRecord

MakeRecord = Callable[..., StudyRecord]


@pytest.mark.parametrize("query", ["knee", "fastest", "smallest"])
def test_pick_by_mark(make_record: MakeRecord, query: str) -> None:
    record = make_record(100)
    marks = highlight_texts(record)[pick(record, query).number]
    assert any(mark.startswith(query) for mark in marks)


def test_pick_by_constraint_gives_the_most_accurate(make_record: MakeRecord) -> None:
    record = make_record(100)
    chosen = pick(record, "latency <= 1 ms and size <= 0.5 x baseline")
    fitting = [t for t in record.front if t.values["latency"] <= 1 and t.values["size"] <= 4e6]
    assert chosen.values["accuracy"] == max(t.values["accuracy"] for t in fitting)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("latency <= 0.0001 ms", "no trial of the front holds it"),
        ("latncy <= 1 ms", "latncy"),
        ("nonsense", "is no constraint"),
        ("9999", "there is no such trial"),
        ("7", "this trial has no model: infeasible"),
    ],
)
def test_pick_says_what_is_wrong(make_record: MakeRecord, query: str, text: str) -> None:
    with pytest.raises(UserError, match=text):
        pick(make_record(40), query)
