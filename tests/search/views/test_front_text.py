"""The front on a terminal: the columns that fit the width, and the notes below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from paretune.search.front.final_front import with_final_front
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import CLOSE, front_info
from paretune.search.views.front_text import front_view
from support.measurements import latency, paired_accuracy

MakeRecord = Callable[..., StudyRecord]


def printed(record: StudyRecord, width: int) -> list[str]:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(front_view(front_info(record), width))
    return captured.get().splitlines()


def with_final_session(record: StudyRecord) -> StudyRecord:
    """Returns the record after a final session that measured the values of the search."""
    remeasured = {0, *record.members}
    return with_final_front(
        replace(
            record,
            trials=tuple(
                replace(t, final={"latency": t.measurements["latency"]}, test=record.trials[0].test)
                if t.number in remeasured
                else t
                for t in record.trials
            ),
        )
    )


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_table_of_three_objectives_fits_the_width(make_record: MakeRecord, width: int) -> None:
    lines = printed(with_final_session(make_record(40)), width)
    assert all(len(line) <= width for line in lines)
    table = lines[: next(i for i, line in enumerate(lines) if "(baseline)" in line) + 1]
    assert not any("…" in line for line in table)


def test_narrow_table_leaves_out_the_validation_interval_when_the_test_part_has_one(
    make_record: MakeRecord,
) -> None:
    record = with_final_session(make_record(40))
    assert "95.00 %   95.0 ±0.9 %" in printed(record, 80)[4]
    assert "95.00 ±0.95 %  95.00 ±0.95 %" in printed(record, 120)[4]
    assert printed(record, 80)[4].count("±") == 2
    assert printed(record, 120)[4].count("±") == 3
    assert "P(front)" in printed(record, 120)[2]


def test_column_shows_differences_from_the_baseline_when_they_fit(make_record: MakeRecord) -> None:
    record = paired_record(make_record)
    wide = "\n".join(printed(record, 130))
    assert "vs base" in wide and "≈-0.2 ±" in wide and " -2.2 ±" in wide
    assert "vs base: difference from the baseline in points, on the same examples." in wide


def test_narrow_table_marks_what_is_within_noise_of_the_baseline(make_record: MakeRecord) -> None:
    text = "\n".join(printed(paired_record(make_record), 80))
    assert "vs base" not in text
    assert "≈94.8 ±" in text and " 92.8 ±" in text
    assert "≈: differs from the baseline only within noise." in text


def test_note_says_that_differences_are_not_paired_without_results(make_record: MakeRecord) -> None:
    text = "\n".join(printed(with_final_session(make_record(40)), 130))
    assert "in points; accuracy: not paired, as results on each example are missing." in text


def paired_record(make_record: MakeRecord) -> StudyRecord:
    """Returns a record of two trials on the front: 2 and 22 of 1,000 test examples are lost."""
    right = np.arange(1000) >= 50
    lost = {0: 0, 1: 2, 2: 22}
    record = make_record(2)
    trials = tuple(
        replace(
            record.trials[0],
            number=number,
            params={},
            measurements={
                **record.trials[0].measurements,
                "latency": latency(2.0 - 0.5 * number, 1.0),
            },
            values={**record.trials[0].values, "latency": 2.0 - 0.5 * number},
            test={"accuracy": paired_accuracy(right & ~(np.arange(1000) >= 1000 - count))},
        )
        for number, count in lost.items()
    )
    growth = (replace(record.growth[-1], members=(1, 2)),)
    return replace(record, trials=trials, growth=growth)


def test_notes_name_sessions_examples_and_noise(make_record: MakeRecord) -> None:
    record = with_final_session(make_record(40))
    text = "\n".join(printed(record, 160))
    assert f"Times are final: {len(record.members | {0})} networks were measured again" in text
    assert "accuracy: on 400 validation and 400 test examples." in text
    assert "P(front): probability that no other trial is better in every objective." in text
    assert "accuracy on test: " in text and " are within noise of " in text


def test_front_is_not_called_final_without_a_final_session(make_record: MakeRecord) -> None:
    text = "\n".join(printed(make_record(40), 160))
    assert "final" not in text
    assert "accuracy: on 400 validation" in text


def test_table_has_no_probability_when_all_numbers_are_exact(make_record: MakeRecord) -> None:
    record = make_record(40)
    trials = tuple(
        replace(
            t,
            measurements={
                n: replace(m, low=m.value, high=m.value) for n, m in t.measurements.items()
            },
        )
        for t in record.trials
    )
    record = replace(record, trials=trials)
    assert all(row.chance is None for row in front_info(record).rows)
    assert "front)" not in printed(record, 160)[2]


def test_trials_close_to_the_front_are_listed_below_it(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    assert info.close
    assert all(row.chance >= CLOSE and not row.on_front for row in info.close)
    lines = printed(make_record(200), 200)
    assert sum("(close to the front)" in line for line in lines) == len(info.close)


def test_table_without_trials_is_one_line(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert printed(empty, 80) == ["no trial is on the front yet"]


@pytest.mark.parametrize(
    ("conditions", "note"),
    [
        ({"disturbed_host": True, "alone": False}, "measured on a busy host"),
        ({"alone": False}, "measured while other Paretune processes worked"),
    ],
)
def test_notes_name_trials_measured_on_a_busy_host(
    conditions: dict[str, bool], note: str, make_record: MakeRecord
) -> None:
    record = make_record(10)
    assert not any(note in line for line in printed(record, 160))
    number = record.growth[-1].members[0]
    trials = [
        replace(
            t,
            measurements={
                **t.measurements,
                "latency": replace(t.measurements["latency"], conditions=conditions),
            },
        )
        if t.number in (0, number)
        else t
        for t in record.trials
    ]
    lines = printed(replace(record, trials=tuple(trials)), 160)
    [line] = [line for line in lines if note in line]
    assert line.startswith("latency of the baseline and ")
    assert str(number) in line
