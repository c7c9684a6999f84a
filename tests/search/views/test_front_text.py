"""The front on a terminal: the columns that fit the width, and the notes below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from paretune.search.front.final_front import with_final_front
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import CLOSE, front_info
from paretune.search.views.front_text import front_view

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
    assert "95.00 %  95.0 ±0.9 %" in printed(record, 80)[4]
    assert "95.00 ±0.95 %  95.00 ±0.95 %" in printed(record, 120)[4]
    assert printed(record, 80)[4].count("±") == 2
    assert printed(record, 120)[4].count("±") == 3
    assert "P(front)" in printed(record, 120)[2]


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
    lines = printed(make_record(200), 160)
    assert sum("(close to the front)" in line for line in lines) == len(info.close)


def test_table_without_trials_is_one_line(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert printed(empty, 80) == ["no trial is on the front yet"]


def test_notes_name_trials_measured_on_a_busy_host(make_record: MakeRecord) -> None:
    record = make_record(10)
    note = "measured on a busy host"
    assert not any(note in line for line in printed(record, 160))
    number = record.growth[-1].members[0]
    trials = [
        replace(
            t,
            measurements={
                **t.measurements,
                "latency": replace(t.measurements["latency"], conditions={"disturbed_host": True}),
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
