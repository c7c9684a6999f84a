"""A scatter plot for every pair of objectives: records -> plotly figures. Pure.

Hover texts are not in the figures: each point carries its trial number, and the page inserts the
texts, which it holds once per trial. With ten pairs of objectives and thousands of trials, hover
texts would be most of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paretune.search.front.pareto import non_dominated
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.views.plot_scales import PlotScale, scale_of, visible_range
from paretune.search.views.plot_style import BASELINE, DOMINATED, FAINT, FRONT, INFEASIBLE, layout
from paretune.search.views.trial_groups import NO_CHANCES, TrialGroups, group_trials


def pair_figures(
    record: StudyRecord, chances: Mapping[int, float] = NO_CHANCES
) -> list[tuple[str, go.Figure]]:
    """Returns title and figure for each pair of objectives; improbable front points are faint."""
    groups = group_trials(record, chances)
    scales = [scale_of(axis, groups.all) for axis in record.axes]
    return [
        (f"{y.axis.name} against {x.axis.name}", _pair_figure(groups, chances, x, y))
        for y, x in combinations(scales, 2)
    ]


def _pair_figure(
    groups: TrialGroups, chances: Mapping[int, float], x: PlotScale, y: PlotScale
) -> go.Figure:
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
        ("near", groups.near, {"symbol": "diamond-open", "color": FRONT, "size": 8}),
        ("front", groups.front, {"symbol": "circle", "color": FRONT, "size": 10}),
        ("baseline", groups.baseline, {"symbol": "star", "color": BASELINE, "size": 16}),
    )
    for name, trials, marker in kinds:
        if not trials:
            continue
        barred = name in ("near", "front", "baseline")
        crossed = name == "infeasible"
        line = {"width": 1.5, "color": INFEASIBLE} if crossed else {"width": 1, "color": "white"}
        line = {"width": 2} if name == "near" else line
        by_chance = [FAINT + (1 - FAINT) * chances.get(t.number, 1.0) for t in trials]
        opacity = by_chance if name in ("near", "front") else 0.75 if name == "dominated" else 1.0
        figure.add_scatter(
            x=[x.factor * t.values[x.axis.name] for t in trials],
            y=[y.factor * t.values[y.axis.name] for t in trials],
            error_x=_error_bars(trials, x, marker["color"]) if barred else None,
            error_y=_error_bars(trials, y, marker["color"]) if barred else None,
            customdata=[t.number for t in trials],
            mode="markers",
            name=name,
            marker={**marker, "line": line, "opacity": opacity},
            hovertemplate="%{hovertext}<extra></extra>",
        )
    return figure.update_layout(
        **layout(),
        xaxis=x.layout() | visible_range(groups, x),
        yaxis=y.layout() | visible_range(groups, y),
        height=380,
        showlegend=False,
    )


def _staircase(
    trials: Sequence[TrialRecord], x: PlotScale, y: PlotScale
) -> list[tuple[float, float]]:
    """Returns the points of the front of two objectives, ordered by x."""
    points = np.array(
        [[t.values[x.axis.name], t.values[y.axis.name]] for t in trials], dtype=float
    ).reshape(-1, 2)
    signs = np.array([1.0 if s.axis.better == "lower" else -1.0 for s in (x, y)])
    front = points[non_dominated(points * signs)]
    front = front[np.argsort(front[:, 0], kind="stable")]
    return [(x.factor * float(a), y.factor * float(b)) for a, b in front]


def _error_bars(
    trials: Sequence[TrialRecord], scale: PlotScale, colour: str
) -> dict[str, Any] | None:
    """Returns 95 % intervals as thin bars; None for exact quantities."""
    measured = [t.measurements[scale.axis.name] for t in trials]
    if all(m.low == m.high for m in measured):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [scale.factor * (m.high - m.value) for m in measured],
        "arrayminus": [scale.factor * (m.value - m.low) for m in measured],
        "thickness": 0.8,
        "width": 0,
        "color": colour,
    }
