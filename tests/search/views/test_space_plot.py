"""The 3-D plot has the marks of the pair plots."""

from __future__ import annotations

from collections.abc import Callable

from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import shown_chances
from paretune.search.views.pair_plots import pair_figures
from paretune.search.views.plot_style import FRONT
from paretune.search.views.space_plot import space_figure

MakeRecord = Callable[..., StudyRecord]


def test_groups_and_their_trials_are_those_of_the_pair_plots(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = shown_chances(record)
    space = {t.name: tuple(t.customdata) for t in space_figure(record, chances).data}
    [(_, pair), *_] = pair_figures(record, chances)
    assert space == {t.name: tuple(t.customdata) for t in pair.data if t.customdata is not None}
    assert "near" in space


def test_baseline_is_a_star_and_infeasible_trials_are_crosses(make_record: MakeRecord) -> None:
    traces = {t.name: t for t in space_figure(make_record(80)).data}
    assert set(traces["baseline"].text) == {"★"}
    assert set(traces["infeasible"].text) == {"×"}
    assert traces["front"].marker.symbol is None


def test_trials_close_to_the_front_are_open_diamonds(make_record: MakeRecord) -> None:
    record = make_record(80)
    traces = {t.name: t for t in space_figure(record, shown_chances(record)).data}
    assert traces["near"].marker.symbol == "diamond-open"


def test_improbable_front_points_are_nearer_to_white(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = {number: 1.0 for number in record.members}
    [faint, *_] = sorted(record.members - {0})
    chances[faint] = 0.0
    front = next(t for t in space_figure(record, chances).data if t.name == "front")
    colours = dict(zip(front.customdata, front.marker.color, strict=True))
    assert {c for number, c in colours.items() if number != faint} == {FRONT}
    parts = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (colours[faint], FRONT)]
    assert all(faint_part > part for faint_part, part in zip(*parts, strict=True))
