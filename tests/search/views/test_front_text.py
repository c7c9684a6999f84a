"""The front on a terminal: what fits the width, and what is said below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from paretune.search.front.final_front import settled
from paretune.search.study.records import StudyRecord
from paretune.search.views.front import CLOSE, front_info
from paretune.search.views.front_text import front_view

MakeRecord = Callable[..., StudyRecord]


def printed(record: StudyRecord, width: int) -> list[str]:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(front_view(front_info(record), width))
    return captured.get().splitlines()


def measured_again(record: StudyRecord) -> StudyRecord:
    """The record after a session at the end that found what the search had."""
    again = {0, *record.members}
    return settled(
        replace(
            record,
            trials=tuple(
                replace(t, final={"latency": t.measurements["latency"]}, test=record.trials[0].test)
                if t.number in again
                else t
                for t in record.trials
            ),
        )
    )


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_table_of_three_objectives_fits(make_record: MakeRecord, width: int) -> None:
    lines = printed(measured_again(make_record(40)), width)
    assert all(len(line) <= width for line in lines)
    table = lines[: next(i for i, line in enumerate(lines) if "(baseline)" in line) + 1]
    assert not any("…" in line for line in table)


def test_narrow_table_leaves_out_the_interval_that_the_test_part_has(
    make_record: MakeRecord,
) -> None:
    record = measured_again(make_record(40))
    assert "95.00 %  95.0 ±0.9 %" in printed(record, 80)[4]
    assert "95.00 ±0.95 %  95.00 ±0.95 %" in printed(record, 120)[4]
    assert printed(record, 80)[4].count("±") == 2
    assert printed(record, 120)[4].count("±") == 3
    assert "P(front)" in printed(record, 120)[2]


def test_notes_say_where_the_figures_are_from(make_record: MakeRecord) -> None:
    record = measured_again(make_record(40))
    text = "\n".join(printed(record, 160))
    assert f"Times are final: {len(record.members | {0})} networks measured again" in text
    assert "accuracy: on 400 validation and 400 test examples." in text
    assert "P(front): probability to be on the front, that no other trial is better." in text
    assert "accuracy on test: " in text and " do not differ from " in text


def test_searchs_front_is_not_called_final(make_record: MakeRecord) -> None:
    text = "\n".join(printed(make_record(40), 160))
    assert "final" not in text
    assert "accuracy: on 400 validation" in text


def test_exact_numbers_have_no_probability(make_record: MakeRecord) -> None:
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


def test_trials_close_to_the_front_stand_below_it(make_record: MakeRecord) -> None:
    info = front_info(make_record(200))
    assert info.close
    assert all(row.chance >= CLOSE and not row.on_front for row in info.close)
    lines = printed(make_record(200), 160)
    assert sum("(close to it)" in line for line in lines) == len(info.close)


def test_front_of_nothing_says_so(make_record: MakeRecord) -> None:
    empty = replace(make_record(0), trials=(), growth=())
    assert printed(empty, 80) == ["no trial is on the front yet"]


def test_what_was_timed_on_a_busy_host_is_named(make_record: MakeRecord) -> None:
    record = make_record(10)
    said = "taken while others kept the host busy"
    assert not any(said in line for line in printed(record, 160))
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
    [line] = [line for line in lines if said in line]
    assert line.startswith("latency of the baseline and ")
    assert str(number) in line
