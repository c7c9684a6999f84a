"""Scatter plots of pairs of objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.front.final_front import NEAR_FRONT
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import shown_chances
from paretune.search.views.pair_plots import FAINT, pair_figures
from paretune.search.views.space_plot import space_figure
from paretune.search.views.trial_groups import group_trials

MakeRecord = Callable[..., StudyRecord]


def test_line_of_a_pair_is_the_front_of_these_two(make_record: MakeRecord) -> None:
    record = make_record(80)
    _, figure = pair_figures(record)[0]
    line = figure.data[0]
    assert list(line.x) == sorted(line.x)
    assert list(line.y) == sorted(line.y)  # more accuracy costs more milliseconds
    points = [
        (t.values["latency"], 100 * t.values["accuracy"]) for t in group_trials(record).feasible
    ]
    for x, y in zip(line.x, line.y, strict=True):
        assert not any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)


def test_points_of_the_front_are_fainter_when_less_probable(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = shown_chances(record)
    _, figure = pair_figures(record, chances)[0]
    traces = {trace.name: trace for trace in figure.data}
    front = traces["front"]
    opacities = dict(zip(front.customdata, front.marker.opacity, strict=True))
    assert opacities == {n: FAINT + (1 - FAINT) * chances[n] for n in record.members - {0}}
    near = {n for n, p in chances.items() if p >= NEAR_FRONT} - record.members - {0}
    assert near and set(traces["near"].customdata) == near
    for name in ("near", "front", "baseline"):
        assert len(traces[name].error_x.array) == len(traces[name].error_y.array) > 0
    assert traces["dominated"].error_x.array is None


def test_axes_omit_a_collapsed_trial_that_is_far_away(make_record: MakeRecord) -> None:
    record = make_record(60)
    assert pair_figures(record)[0][1].layout.yaxis.range is None
    worst = next(t for t in record.trials if t.state == "complete" and not t.feasible)
    collapsed = replace(worst, values={**worst.values, "accuracy": 0.1})
    trials = tuple(collapsed if t is worst else t for t in record.trials)
    squeezed = replace(record, trials=trials)
    low, high = pair_figures(squeezed)[0][1].layout.yaxis.range
    assert space_figure(record).layout.scene.zaxis.range is None
    assert space_figure(squeezed).layout.scene.zaxis.range == (low, high)
    feasible = [100 * t.values["accuracy"] for t in group_trials(record).feasible]
    assert 80 < low < min(feasible)
    assert max(feasible) < high < 100
