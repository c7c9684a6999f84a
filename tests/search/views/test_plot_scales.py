"""Axes of figures."""

from __future__ import annotations

from collections.abc import Callable

from paretune.search.study.records import StudyRecord
from paretune.search.views.plot_scales import scale_of
from paretune.search.views.trial_groups import group_trials

MakeRecord = Callable[..., StudyRecord]


def test_scale_is_logarithmic_when_costs_cover_a_wide_range(make_record: MakeRecord) -> None:
    record = make_record(100)
    trials = group_trials(record).all
    latency = scale_of(record.axes[1], trials)
    accuracy = scale_of(record.axes[0], trials)
    assert latency.log and not accuracy.log
    assert set(latency.ticks) <= {m * 10.0**e for e in range(-3, 3) for m in (1, 2, 5)}
    assert accuracy.unit == "%"
