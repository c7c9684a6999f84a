"""Parallel coordinates: from the choices of a trial to what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord
from paretune.search.views.importance import Importance
from paretune.search.views.plots import groups_of
from paretune.search.views.scales import scale_of, tick_text, ticks_of
from paretune.search.views.style import INK, SCALE, layout

MOST_LINES = 8
"""Parameters among the parallel coordinates: the most important ones."""

MOST_TICKS = 5
"""Different numbers that are written beside an axis as they are, unless..."""

CLOSE = 0.06
"""...two are so close, as a share of the axis: their texts would cover each other."""


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
    frame = {**layout(), "margin": {"l": 110, "r": 70, "t": 90, "b": 24}}
    return figure.update_layout(**frame, height=460)


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
    ticks = distinct if _legible(distinct, log) else _round(low, high, log)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    texts = [tick_text(float(tick)) for tick in ticks]
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


def _legible(ticks: np.ndarray, log: bool) -> bool:
    """Whether each of the values can stand beside the axis."""
    gaps = np.diff(np.log10(ticks) if log else ticks)
    return len(ticks) <= MOST_TICKS and bool((gaps >= CLOSE * gaps.sum()).all())


def _round(low: float, high: float, log: bool) -> np.ndarray:
    return np.array(ticks_of(low, high) if log else _even(low, high))


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
