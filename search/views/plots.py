"""Figures of a study: records -> plotly figures. Pure; the page draws them.

Hover texts are not in the figures: each point carries the number of its trial, and the page, which
holds the text of every trial once, puts them in. With ten pairs of objectives and thousands of
trials that is most of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from search.pareto import non_dominated
from search.records import Axis, StudyRecord, TrialRecord
from search.views.importance import Importance

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
FRONT, DOMINATED, INFEASIBLE, BASELINE = "#2463eb", "#9fb3c8", "#e07b39", "#1f2933"
SCALE = [[0.0, "#dbe4ff"], [0.35, "#91a7ff"], [0.7, "#4263eb"], [1.0, "#1b2f8a"]]

LOG_FROM = 4.0
"""A cost whose largest value is so many times its smallest gets a logarithmic axis."""

MOST_LINES = 8
"""Parameters among the parallel coordinates: the most important ones."""


@dataclass(frozen=True)
class Scale:
    """How values of an objective are drawn: multiplied, with a unit, on which kind of axis."""

    axis: Axis
    factor: float
    unit: str
    log: bool
    ticks: tuple[float, ...]

    @property
    def title(self) -> str:
        """Name, unit and which way is better."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.axis.name}{unit}, {self.axis.better} is better"

    def layout(self) -> dict[str, Any]:
        """The axis for plotly."""
        found: dict[str, Any] = {"title": {"text": self.title}}
        if self.log:
            found |= {"type": "log", "tickvals": self.ticks, "ticktext": [*map(_tick, self.ticks)]}
        return found


@dataclass(frozen=True)
class Groups:
    """The trials as plots tell them apart; a repeated plan is drawn once."""

    baseline: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]

    @property
    def all(self) -> tuple[TrialRecord, ...]:
        """Every trial that has values."""
        return (*self.baseline, *self.front, *self.dominated, *self.infeasible)

    @property
    def feasible(self) -> tuple[TrialRecord, ...]:
        """Those that break no constraint."""
        return (*self.baseline, *self.front, *self.dominated)


def groups_of(record: StudyRecord) -> Groups:
    """Complete trials by kind; those without values cannot be drawn."""
    members = {trial.number for trial in record.front}
    trials = [t for t in record.trials if t.number and t.state == "complete" and t.repeats is None]
    return Groups(
        (record.baseline,) if record.baseline else (),
        tuple(t for t in trials if t.number in members),
        tuple(t for t in trials if t.number not in members and t.feasible),
        tuple(t for t in trials if not t.feasible),
    )


def scale_of(axis: Axis, trials: Sequence[TrialRecord]) -> Scale:
    """The scale that suits the values at hand."""
    values = [trial.values[axis.name] for trial in trials] or [1.0]
    low, high = min(values), max(values)
    factor, unit = _unit(axis.unit, high)
    log = axis.unit != "fraction" and low > 0 and high / low >= LOG_FROM
    return Scale(axis, factor, unit, log, _ticks(low * factor, high * factor) if log else ())


def pair_figures(record: StudyRecord) -> list[tuple[str, go.Figure]]:
    """A scatter for every pair of objectives, with its title."""
    groups = groups_of(record)
    scales = [scale_of(axis, groups.all) for axis in record.axes]
    return [
        (f"{y.axis.name} against {x.axis.name}", _pair_figure(groups, x, y))
        for y, x in combinations(scales, 2)
    ]


def _pair_figure(groups: Groups, x: Scale, y: Scale) -> go.Figure:
    figure = go.Figure()
    steps = _staircase(groups.feasible, x, y)
    figure.add_scatter(
        x=[p[0] for p in steps],
        y=[p[1] for p in steps],
        mode="lines",
        line={"color": FRONT, "width": 1.5, "shape": "hv" if x.axis.better == "lower" else "vh"},
        name="front of these two",
        hoverinfo="skip",
    )
    kinds: tuple[tuple[str, tuple[TrialRecord, ...], dict[str, Any]], ...] = (
        ("infeasible", groups.infeasible, {"symbol": "x-thin", "color": INFEASIBLE, "size": 7}),
        ("dominated", groups.dominated, {"symbol": "circle", "color": DOMINATED, "size": 6}),
        ("front", groups.front, {"symbol": "circle", "color": FRONT, "size": 10}),
        ("baseline", groups.baseline, {"symbol": "star", "color": BASELINE, "size": 16}),
    )
    for name, trials, marker in kinds:
        if not trials:
            continue
        certain = name in ("front", "baseline")
        crossed = name == "infeasible"
        line = {"width": 1.5, "color": INFEASIBLE} if crossed else {"width": 1, "color": "white"}
        figure.add_scatter(
            x=[x.factor * t.values[x.axis.name] for t in trials],
            y=[y.factor * t.values[y.axis.name] for t in trials],
            error_x=_error(trials, x, marker["color"]) if certain else None,
            error_y=_error(trials, y, marker["color"]) if certain else None,
            customdata=[t.number for t in trials],
            mode="markers",
            name=name,
            marker={**marker, "line": line, "opacity": 0.75 if name == "dominated" else 1.0},
            hovertemplate="%{text}<extra></extra>",
        )
    return figure.update_layout(
        **_layout(), xaxis=x.layout(), yaxis=y.layout(), height=380, showlegend=False
    )


def history_figure(record: StudyRecord) -> go.Figure:
    """Values over the trials, for a study of one objective."""
    groups = groups_of(record)
    scale = scale_of(record.axes[0], groups.all)
    name = scale.axis.name
    figure = go.Figure()
    for kind, trials, colour in (
        ("infeasible", groups.infeasible, INFEASIBLE),
        ("feasible", (*groups.dominated, *groups.front), DOMINATED),
        ("baseline", groups.baseline, BASELINE),
    ):
        if trials:
            figure.add_scatter(
                x=[t.number for t in trials],
                y=[scale.factor * t.values[name] for t in trials],
                customdata=[t.number for t in trials],
                mode="markers",
                name=kind,
                marker={"color": colour, "size": 8},
                hovertemplate="%{text}<extra></extra>",
            )
    ordered = sorted(groups.feasible, key=lambda t: t.number)
    if ordered:
        best = np.minimum if scale.axis.better == "lower" else np.maximum
        figure.add_scatter(
            x=[t.number for t in ordered],
            y=best.accumulate([scale.factor * t.values[name] for t in ordered]),
            mode="lines",
            line={"color": FRONT, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        )
    return figure.update_layout(
        **_layout(), xaxis={"title": {"text": "trial"}}, yaxis=scale.layout(), height=420
    )


def space_figure(record: StudyRecord) -> go.Figure:
    """The first three objectives at once, to be turned with the mouse."""
    groups = groups_of(record)
    x, y, z = (
        scale_of(axis, groups.all) for axis in (record.axes[1], record.axes[2], record.axes[0])
    )
    figure = go.Figure()
    for name, trials, marker in (
        ("infeasible", groups.infeasible, {"symbol": "x", "color": INFEASIBLE, "size": 3.5}),
        ("dominated", groups.dominated, {"color": DOMINATED, "size": 4}),
        ("front", groups.front, {"color": FRONT, "size": 6}),
        ("baseline", groups.baseline, {"symbol": "diamond", "color": BASELINE, "size": 7}),
    ):
        if trials:
            figure.add_scatter3d(
                **{
                    key: [scale.factor * t.values[scale.axis.name] for t in trials]
                    for key, scale in (("x", x), ("y", y), ("z", z))
                },
                customdata=[t.number for t in trials],
                mode="markers",
                name=name,
                marker={
                    **marker,
                    "line": {"width": 0 if name == "infeasible" else 1, "color": "white"},
                },
                hovertemplate="%{text}<extra></extra>",
            )
    layout = _layout()
    layout["margin"] = {"l": 0, "r": 0, "t": 0, "b": 0}
    look = {"gridcolor": GRID, "backgroundcolor": "#f8fafc", "color": MUTED}
    return figure.update_layout(
        **layout,
        height=560,
        scene={
            "xaxis": {**_plain(x), **look},
            "yaxis": {**_plain(y), **look},
            "zaxis": {**_plain(z), **look},
            "aspectmode": "cube",
            "camera": {"eye": {"x": 1.9, "y": 1.0, "z": 0.6}},
        },
    )


def lines_figure(record: StudyRecord, important: Sequence[Importance]) -> go.Figure | None:
    """Parallel coordinates over feasible trials: the parameters that matter, then the objectives.

    A parameter that a trial's branches do not have is drawn at "none", below its axis.
    """
    trials = [t for t in groups_of(record).feasible if t.number]
    if len(trials) < 2:
        return None
    names = [i.parameter for i in important[:MOST_LINES]]
    dimensions = [_dimension(name, [t.params.get(name) for t in trials]) for name in names]
    for axis in record.axes:
        scale = scale_of(axis, trials)
        values = np.array([scale.factor * t.values[axis.name] for t in trials])
        dimensions.append(_number_dimension(f"{axis.name} {scale.unit}".strip(), values, scale.log))
    first = record.axes[0]
    colour = np.array([t.values[first.name] for t in trials])
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={
                "color": colour,
                "colorscale": SCALE,
                "reversescale": first.better == "lower",
                "showscale": False,
            },
            labelfont={"size": 12, "color": INK},
            tickfont={"size": 11, "color": INK},
            labelangle=-18,
            labelside="top",
            unselected={"line": {"color": "#e4e7eb", "opacity": 0.35}},
        )
    )
    layout = _layout()
    layout["margin"] = {"l": 110, "r": 70, "t": 90, "b": 24}
    return figure.update_layout(**layout, height=460)


def growth_figure(record: StudyRecord) -> go.Figure | None:
    """The hypervolume of the front over the time of the study."""
    if not record.growth:
        return None
    clock = _working_time(record.trials)
    minutes = [clock.get(point.trial, 0.0) / 60 for point in record.growth]
    end = max([*clock.values(), 0.0]) / 60
    volumes = [point.hypervolume for point in record.growth]
    figure = go.Figure()
    figure.add_scatter(
        x=[*minutes, end],
        y=[*volumes, volumes[-1]],
        mode="lines",
        line={"color": FRONT, "width": 2, "shape": "hv"},
        fill="tozeroy",
        fillcolor="rgba(36, 99, 235, 0.08)",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=minutes,
        y=volumes,
        mode="markers",
        marker={"color": FRONT, "size": 6},
        text=[
            f"trial {p.trial}<br>hypervolume {p.hypervolume:.4f}<br>{len(p.members)} on the front"
            for p in record.growth
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    return figure.update_layout(
        **_layout(),
        height=320,
        xaxis={"title": {"text": "working time, minutes"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "hypervolume, higher is better"}, "rangemode": "tozero"},
    )


def _working_time(trials: Sequence[TrialRecord]) -> Mapping[int, float]:
    """Trial -> seconds of work when it ended; pauses between two runs do not count."""
    ended = sorted(
        (t for t in trials if t.finished is not None), key=lambda t: (t.finished, t.number)
    )
    clock, last, found = 0.0, ended[0].started if ended else 0.0, {}
    for trial in ended:
        assert trial.finished is not None
        clock += max(0.0, trial.finished - max(last, trial.started))
        last = max(last, trial.finished)
        found[trial.number] = clock
    return found


def _staircase(trials: Sequence[TrialRecord], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Points of the front of two objectives, by x."""
    points = np.array(
        [[t.values[x.axis.name], t.values[y.axis.name]] for t in trials], dtype=float
    ).reshape(-1, 2)
    signs = np.array([1.0 if s.axis.better == "lower" else -1.0 for s in (x, y)])
    kept = points[non_dominated(points * signs)]
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    return [(x.factor * float(a), y.factor * float(b)) for a, b in kept]


def _error(trials: Sequence[TrialRecord], scale: Scale, colour: str) -> dict[str, Any] | None:
    """95 % intervals as thin bars; None for exact quantities."""
    found = [t.measurements[scale.axis.name] for t in trials]
    if all(m.low == m.high for m in found):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [scale.factor * (m.high - m.value) for m in found],
        "arrayminus": [scale.factor * (m.value - m.low) for m in found],
        "thickness": 0.8,
        "width": 0,
        "color": colour,
    }


def _dimension(name: str, values: Sequence[object]) -> dict[str, Any]:
    """A parameter as a vertical axis."""
    label = _short(name)
    values = _numbers(values)
    given = [v for v in values if v is not None]
    if given and all(isinstance(v, int | float) and not isinstance(v, bool) for v in given):
        numbers = np.array([np.nan if v is None else v for v in values], float)
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        return _number_dimension(label, numbers, low > 0 and high / low > 20)
    kinds = sorted({"none" if v is None else str(v) for v in values})
    places = [kinds.index("none" if v is None else str(v)) for v in values]
    return {
        "label": label,
        "values": places,
        "tickvals": list(range(len(kinds))),
        "ticktext": kinds,
        "range": [-0.1, max(len(kinds) - 1, 1) + 0.1],
    }


def _numbers(values: Sequence[object]) -> Sequence[object]:
    """Labels of a choice of numbers as the numbers they are; anything else as it came."""
    try:
        return [None if v is None else float(v) for v in values]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return values


def _number_dimension(label: str, values: np.ndarray, log: bool) -> dict[str, Any]:
    """A number [N] as a vertical axis; NaN, a parameter that is not there, lies below it."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    distinct = np.unique(values[~np.isnan(values)])
    ticks = (
        distinct if len(distinct) <= 5 else np.array(_ticks(low, high) if log else _even(low, high))
    )
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    texts = [_tick(float(tick)) for tick in ticks]
    if log:
        values, ticks = np.log10(values), np.log10(ticks)
        low, high = float(np.log10(low)), float(np.log10(high))
    absent = np.isnan(values)
    if absent.any():
        below = low - 0.15 * ((high - low) or 1.0)
        values = np.where(absent, below, values)
        ticks, texts = np.append(below, ticks), ["none", *texts]
        low = below
    return {
        "label": label,
        "values": values,
        "tickvals": ticks,
        "ticktext": texts,
        "range": [low, high if high > low else low + 1],
    }


def _even(low: float, high: float) -> list[float]:
    """About five round numbers within [low, high]."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.8)
    first = int(np.ceil(low / step - 1e-9))
    return [k * step for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _short(name: str) -> str:
    """The last two words of a parameter's name; more do not fit over an axis."""
    return ".".join(name.split(".")[-2:])


def _plain(scale: Scale) -> dict[str, Any]:
    """An axis of the 3-D view, where long titles overlap."""
    found = scale.layout()
    found["title"] = {"text": f"{scale.axis.name}{f' ({scale.unit})' if scale.unit else ''}"}
    return found


def _unit(unit: str, high: float) -> tuple[float, str]:
    match unit:
        case "fraction":
            return 100.0, "%"
        case "bytes":
            for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
                if high >= size:
                    return 1 / size, name
        case "parameters" | "MACs":
            for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
                if high >= size:
                    return 1 / size, name
    return 1.0, unit


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """1-2-5 steps that cover [low, high], both positive."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    steps = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
    inside = [s for s in steps if low / 2 <= s <= high * 2]
    return tuple(inside if len(inside) <= 9 else [s for s in inside if f"{s:e}"[0] == "1"])


def _tick(value: float) -> str:
    return f"{value:.4g}"


def _layout() -> dict[str, Any]:
    return {
        "template": "plotly_white",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "color": INK},
        "margin": {"l": 64, "r": 16, "t": 8, "b": 56},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": INK, "size": 12}},
        "autosize": True,
    }
