"""Parallel coordinates: the ticks of an axis are legible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paretune.search.study.records import StudyRecord
from paretune.search.views.importance import Importance
from paretune.search.views.parallel_coordinates import lines_figure


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 2.0, 5.0], ["1", "2", "5"]),
        ([0.014, 0.037, 0.0688, 0.0698], ["0.02", "0.04", "0.06"]),  # two would cover each other
        ([0.001, 0.0011, 0.1], ["0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1"]),
        ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], ["0", "1", "2", "3", "4", "5"]),
    ],
)
def test_ticks_are_the_values_when_they_are_few_and_not_close(
    make_record: Callable[..., StudyRecord], values: list[float], texts: list[str]
) -> None:
    record = make_record(40)
    feasible = [t for t in record.trials if t.feasible and t.number][: len(values)]
    trials = [replace(t, params={"x": v}) for t, v in zip(feasible, values, strict=True)]
    kept = replace(record, trials=(record.trials[0], *trials))
    figure = lines_figure(kept, [Importance("x", len(trials), {})])
    assert figure is not None
    assert list(figure.data[0].dimensions[0].ticktext) == texts
