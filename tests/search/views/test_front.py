"""Front table, answer, goals and picks: pure functions of a record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paretune.search.errors import UserError
from paretune.search.front.highlights import marks_of
from paretune.search.front.pick import pick
from paretune.search.study.records import StudyRecord
from paretune.search.views.front import front_info, ratios_of
from paretune.search.views.goals import goals_info
from paretune.search.views.headline import answer_text, best_row

MakeRecord = Callable[..., StudyRecord]


def test_front_info_begins_with_the_baseline_then_best_accuracy_first(
    make_record: MakeRecord,
) -> None:
    info = front_info(make_record(60))
    assert info.rows[0].trial == 0
    accuracies = [row.validation["accuracy"].value for row in info.rows[1:]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) > 3


def test_front_info_of_nothing_is_empty(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert front_info(empty).rows == ()
    assert answer_text(front_info(empty)) == "No trial is done yet."


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
    assert "fastest within 1 point" in marks_of(record)[fastest]


def test_answer_names_gain_and_loss(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    row = best_row(info)
    assert row is not None
    text = answer_text(info)
    assert text.startswith(f"Trial {row.trial} is ")
    assert f"{row.ratios['latency']:.1f}x faster and " in text
    assert "accuracy on the validation part" in text


def test_answer_says_when_the_difference_may_be_chance(make_record: MakeRecord) -> None:
    record = make_record(200)  # the made-up intervals are a relative 1 %, of both 1.3 points
    row = best_row(front_info(record))
    assert row is not None
    loss = 0.95 - row.validation["accuracy"].value
    assert ("within chance" in answer_text(front_info(record))) == (0.00005 < loss < 0.0133)


def test_answer_of_a_baseline_alone(make_record: MakeRecord) -> None:
    assert answer_text(front_info(make_record(0))) == "No trial is better than the baseline yet."


def test_goals_name_those_who_reach_them(make_record: MakeRecord) -> None:
    record = make_record(60)
    [goal] = goals_info(record)
    wanted = [t.number for t in record.front if t.number and t.values["latency"] <= 1.0]
    assert list(goal.trials) == wanted
    assert goal.line.startswith("goal latency <= 0.5 x baseline: reached by trial ")


def test_goal_nobody_reaches_is_open(make_record: MakeRecord) -> None:
    record = make_record(20)
    record = replace(record, source={"goals": ["latency <= 0.0001 ms"]})
    assert goals_info(record)[0].line == "goal latency <= 0.0001 ms: not yet"


@pytest.mark.parametrize("query", ["knee", "fastest", "smallest"])
def test_pick_by_mark(make_record: MakeRecord, query: str) -> None:
    record = make_record(100)
    marks = marks_of(record)[pick(record, query).number]
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
