"""The fronts of several studies in one figure for each pair of objectives. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import plotly.graph_objects as go

from paretune.search.comparing.compared_records import ComparedStudy, ComparedTrial, ComparisonInfo
from paretune.search.comparing.text import rows_of
from paretune.search.front.pareto import non_dominated
from paretune.search.study.records import Axis
from paretune.search.study.units import format_quantity
from paretune.search.views.plot_scales import PlotScale, scale_of
from paretune.search.views.plot_style import layout

COLOURS = ("#2463eb", "#e07b39", "#2f9e44", "#9c36b5", "#c2255c", "#0c8599")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "hexagon")
"""Each study has a colour and a symbol, so that it is told apart without colours, too."""

RATIO = "x own baseline"


def front_figures(info: ComparisonInfo) -> list[tuple[str, go.Figure]]:
    """Returns title and figure for each pair of objectives."""
    scales = [_scale(axis, info) for axis in info.axes]
    return [
        (f"{y.axis.name} against {x.axis.name}", _figure(info, x, y))
        for y, x in combinations(scales, 2)
    ]


def _scale(axis: Axis, info: ComparisonInfo) -> PlotScale:
    if axis.name in info.ratio_axes:
        return PlotScale(axis, 1.0, RATIO, False, ())
    trials: Any = [_Values(t) for study in info.studies for t in rows_of(study)]
    return scale_of(axis, [trial for trial in trials if axis.name in trial.values])


class _Values:
    """The values of a trial, as `scale_of` reads them."""

    def __init__(self, trial: ComparedTrial) -> None:
        self.values = {name: measured.value for name, measured in trial.measured.items()}


def _figure(info: ComparisonInfo, x: PlotScale, y: PlotScale) -> go.Figure:
    figure = go.Figure()
    for index, study in enumerate(info.studies):
        colour = COLOURS[index % len(COLOURS)]
        symbol = SYMBOLS[index % len(SYMBOLS)]
        trials = [t for t in rows_of(study) if _value(t, study, x) and _value(t, study, y)]
        front = [t for t in trials if any(t.number == member.number for member in study.front)]
        steps = _staircase(front, study, x, y)
        figure.add_scatter(
            x=[p[0] for p in steps],
            y=[p[1] for p in steps],
            mode="lines",
            line={
                "color": colour,
                "width": 1.5,
                "shape": "hv" if x.axis.better == "lower" else "vh",
            },
            hoverinfo="skip",
            showlegend=False,
            legendgroup=study.name,
        )
        figure.add_scatter(
            x=[_value(t, study, x) for t in front],
            y=[_value(t, study, y) for t in front],
            text=[_hover(t, study, info) for t in front],
            error_x=_bars(front, study, x, colour),
            error_y=_bars(front, study, y, colour),
            mode="markers",
            name=study.name,
            legendgroup=study.name,
            marker={
                "symbol": symbol,
                "color": colour,
                "size": 10,
                "line": {"width": 1, "color": "white"},
            },
            hovertemplate="%{text}<extra></extra>",
        )
        base = [t for t in trials if t.number == 0]
        figure.add_scatter(
            x=[_value(t, study, x) for t in base],
            y=[_value(t, study, y) for t in base],
            text=[_hover(t, study, info) for t in base],
            mode="markers",
            name=f"baseline of {study.name}",
            legendgroup=study.name,
            showlegend=False,
            marker={"symbol": "star", "color": colour, "size": 15},
            hovertemplate="%{text}<extra></extra>",
        )
    return figure.update_layout(
        **layout(), xaxis=x.layout(), yaxis=y.layout(), height=400, showlegend=True
    )


def _value(trial: ComparedTrial, study: ComparedStudy, scale: PlotScale) -> float | None:
    """Returns the drawn value of a trial; None if it has none."""
    name = scale.axis.name
    measured = trial.measured.get(name)
    if measured is None:
        return None
    if scale.unit != RATIO:
        return scale.factor * measured.value
    base = study.baseline.get(name)
    return measured.value / base.value if base is not None and base.value else None


def _staircase(
    trials: list[ComparedTrial], study: ComparedStudy, x: PlotScale, y: PlotScale
) -> list[tuple[float, float]]:
    """Returns the points of the front of two objectives, ordered by x."""
    points = [(_value(t, study, x) or 0.0, _value(t, study, y) or 0.0) for t in trials]
    if not points:
        return []
    import numpy as np

    signs = np.array([1.0 if s.axis.better == "lower" else -1.0 for s in (x, y)])
    on_front = non_dominated(np.array(points) * signs)
    return sorted(point for point, on in zip(points, on_front, strict=True) if on)


def _bars(
    trials: list[ComparedTrial], study: ComparedStudy, scale: PlotScale, colour: str
) -> dict[str, Any] | None:
    """Returns 95 % intervals as thin bars; None for exact quantities."""
    measured = [trial.measured[scale.axis.name] for trial in trials]
    if all(m.low == m.high for m in measured):
        return None
    base = study.baseline.get(scale.axis.name)
    factor = 1 / base.value if scale.unit == RATIO and base is not None else scale.factor
    return {
        "type": "data",
        "symmetric": False,
        "array": [factor * (m.high - m.value) for m in measured],
        "arrayminus": [factor * (m.value - m.low) for m in measured],
        "thickness": 0.8,
        "width": 0,
        "color": colour,
    }


def _hover(trial: ComparedTrial, study: ComparedStudy, info: ComparisonInfo) -> str:
    title = f"trial {trial.number}" if trial.number else "baseline"
    values = [
        f"{axis.name} {format_quantity(trial.measured[axis.name].value, axis)}"
        for axis in info.axes
        if axis.name in trial.measured
    ]
    lines = [f"{study.name}, {title}", trial.plan, *values]
    return "<br>".join(line.replace("&", "&amp;").replace("<", "&lt;") for line in lines)
