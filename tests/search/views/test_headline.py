"""The result of a study in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import front_info
from paretune.search.views.headline import answer_text, best_row

MakeRecord = Callable[..., StudyRecord]


def test_headline_without_trials_states_that_no_trial_is_complete(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert answer_text(front_info(empty)) == "No trial is complete yet."


def test_answer_names_gain_and_loss(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    row = best_row(info)
    assert row is not None
    text = answer_text(info)
    assert text.startswith(f"Trial {row.trial} is ")
    assert f"{row.ratios['latency']:.1f}x faster and " in text
    assert "accuracy on the validation part" in text


def test_answer_names_a_difference_within_noise(make_record: MakeRecord) -> None:
    record = make_record(200)  # the made-up intervals are a relative 1 %, of both 1.3 points
    row = best_row(front_info(record))
    assert row is not None
    loss = 0.95 - row.validation["accuracy"].value
    assert ("within noise" in answer_text(front_info(record))) == (0.00005 < loss < 0.0133)


def test_answer_of_a_baseline_alone_names_no_trial(make_record: MakeRecord) -> None:
    assert answer_text(front_info(make_record(0))) == "No trial is better than the baseline yet."


def test_answer_without_a_gain_names_knee_and_accuracy(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    slower = replace(info, rows=tuple(replace(row, ratios={}) for row in info.rows))
    row = best_row(slower)
    assert row is not None
    start = f"Trial {row.trial} is the knee of the front, "
    assert answer_text(slower).startswith((start + "for ", start + "at the same "))
