"""Parallel coordinates: lines from the choices of each trial to its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord
from paretune.search.views.importance import Importance
from paretune.search.views.plot_scales import scale_of, tick_text, ticks_of
from paretune.search.views.plot_style import INK, SCALE, layout
from paretune.search.views.trial_groups import group_trials

MOST_LINES = 8
"""Most parameters drawn as axes: the most important ones."""

MOST_TICKS = 5
"""Most distinct values that all become ticks of an axis."""

CLOSE = 0.06
"""Two values closer than this share of an axis do not both become ticks: their texts would cover
each other."""


def lines_figure(record: StudyRecord, important: Sequence[Importance]) -> go.Figure | None:
    """Returns the figure of the feasible trials; None if there are fewer than two.

    The axes are the most important parameters, then the objectives. A parameter that a trial does
    not have (another branch was taken) is drawn at "none", below the axis.
    """
    trials = [t for t in group_trials(record).feasible if t.number]
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
    """Returns the axis of a parameter."""
    label = _short(name)
    values = _numbers(values)
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present):
        numbers = np.array([np.nan if v is None else v for v in values], float)
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        return _number_dimension(label, numbers, low > 0 and high / low > 20)
    labels = sorted({"none" if v is None else str(v) for v in values})
    indices = [labels.index("none" if v is None else str(v)) for v in values]
    return {
        "label": label,
        "values": indices,
        "tickvals": list(range(len(labels))),
        "ticktext": labels,
        "range": [-0.1, max(len(labels) - 1, 1) + 0.1],
    }


def _numbers(values: Sequence[object]) -> Sequence[object]:
    """Returns labels that are numbers as floats; returns any other values unchanged."""
    try:
        return [None if v is None else float(v) for v in values]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return values


def _number_dimension(label: str, values: np.ndarray, log: bool) -> dict[str, Any]:
    """Returns the axis of numbers [N]; NaN (an absent parameter) is drawn below it."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    distinct = np.unique(values[~np.isnan(values)])
    ticks = distinct if _legible(distinct, log) else _round_ticks(low, high, log)
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
    """Returns whether the texts of all these ticks fit next to the axis."""
    gaps = np.diff(np.log10(ticks) if log else ticks)
    return len(ticks) <= MOST_TICKS and bool((gaps >= CLOSE * gaps.sum()).all())


def _round_ticks(low: float, high: float, log: bool) -> np.ndarray:
    return np.array(ticks_of(low, high) if log else _even_ticks(low, high))


def _even_ticks(low: float, high: float) -> list[float]:
    """Returns about five round numbers within [low, high]."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.8)
    first = int(np.ceil(low / step - 1e-9))
    return [k * step for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]


def _short(name: str) -> str:
    """Returns the last two words of a parameter's name; more do not fit above an axis."""
    return ".".join(name.split(".")[-2:])
