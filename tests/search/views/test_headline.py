"""The result of a study in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.front.changes import Change
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import FrontInfo, front_info
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


def test_answer_without_a_gain_names_mark_and_accuracy(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    slower = replace(info, rows=tuple(replace(row, ratios={}) for row in info.rows))
    row = best_row(slower)
    assert row is not None
    start = f"Trial {row.trial} is the fastest within 1 point, "
    assert answer_text(slower).startswith((start + "for ", start + "at the same "))
    knees = (replace(row, marks=tuple(m for m in row.marks if m == "knee")) for row in slower.rows)
    knee = answer_text(replace(slower, rows=tuple(knees)))
    assert " is the knee of the front, " in knee


def with_changes(info: FrontInfo, **changes: Change) -> FrontInfo:
    """Returns the table with these differences from the baseline in every row."""
    return replace(info, rows=tuple(replace(row, changes=changes) for row in info.rows))


def test_answer_gives_the_p_value_and_says_within_noise(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    change = Change("validation", False, -0.005, -0.012, 0.002, paired=True, p=0.3)
    text = answer_text(with_changes(info, accuracy=change))
    assert "for 0.5 points less accuracy on the validation part" in text
    assert "400 examples; McNemar p = 0.30: within noise)" in text
    real = replace(change, high=-0.001, p=0.02)
    assert "; McNemar p = 0.020)" in answer_text(with_changes(info, accuracy=real))


def test_answer_names_no_gain_within_noise(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    assert "faster" in answer_text(info)
    noisy = with_changes(info, latency=Change("validation", True, 1.5, 0.99, 1.6))
    assert "faster than" not in answer_text(noisy) and "x faster" not in answer_text(noisy)
