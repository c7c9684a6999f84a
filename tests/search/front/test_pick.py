"""A query picks a trial of the front by word, number or constraint."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paretune.search.errors import UserError
from paretune.search.front.highlights import highlights_of
from paretune.search.front.pick import pick
from paretune.search.study.records import StudyRecord

MakeRecord = Callable[..., StudyRecord]


@pytest.mark.parametrize("query", ["knee", "fastest", "smallest"])
def test_pick_by_word_returns_a_trial_with_this_highlight(
    make_record: MakeRecord, query: str
) -> None:
    record = make_record(100)
    picked = pick(record, query).number
    texts = [highlight.text for highlight in highlights_of(record) if highlight.trial == picked]
    assert any(text.startswith(query) for text in texts)


def test_pick_by_constraints_returns_the_most_accurate_feasible_trial(
    make_record: MakeRecord,
) -> None:
    record = make_record(100)
    picked = pick(record, "latency <= 1 ms and size <= 0.5 x baseline")
    fitting = [t for t in record.front if t.values["latency"] <= 1 and t.values["size"] <= 4e6]
    assert picked.values["accuracy"] == max(t.values["accuracy"] for t in fitting)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            "latency <= 0.0001 ms",
            r"no trial of the front meets it; the nearest is trial \d+: latency .* ms, "
            "not <= 0.0001 ms",
        ),
        ("latncy <= 1 ms", "latncy"),
        ("nonsense", "is not a constraint"),
        (
            "9999",
            r"there is no such trial; the last is 40; on the front are trials \d+, .* and \d+ more",
        ),
        ("7", r"this trial has no model: infeasible .*; on the front are trials \d+"),
    ],
)
def test_query_that_picks_nothing_is_refused(
    make_record: MakeRecord, query: str, text: str
) -> None:
    with pytest.raises(UserError, match=text):
        pick(make_record(40), query)
