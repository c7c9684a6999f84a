"""The columns of the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.study.records import StudyRecord
from paretune.search.views.front_columns import cells_of, headings_of, visible_columns
from paretune.search.views.front_table import front_info

MakeRecord = Callable[..., StudyRecord]


def test_each_objective_has_its_columns(make_record: MakeRecord) -> None:
    info = front_info(make_record(40))
    assert headings_of(info.axes) == [
        *("accuracy", "on test", "vs base"),
        *("latency", "faster"),
        *("size", "smaller"),
    ]
    assert all(len(cells_of(row, info.axes)) == 7 for row in info.rows)


def test_column_without_content_is_not_visible(make_record: MakeRecord) -> None:
    info = front_info(make_record(40))
    assert visible_columns(info.rows, info.axes) == [True] * 7
    untested = [replace(row, test={}, ratios={}, changes={}) for row in info.rows]
    shown = visible_columns(untested, info.axes)
    assert shown == [True, False, False, True, False, True, False]
