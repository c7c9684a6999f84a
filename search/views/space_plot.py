"""The first three objectives of a study in one 3-D view, with the marks of the pair plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.views.plot_scales import PlotScale, scale_of, visible_range
from paretune.search.views.plot_style import (
    BASELINE,
    DOMINATED,
    FAINT,
    FRONT,
    GRID,
    INFEASIBLE,
    MUTED,
    layout,
)
from paretune.search.views.trial_groups import NO_CHANCES, TrialGroups, group_trials

TEXT_MARKS = {"infeasible": ("\u00d7", 18, INFEASIBLE), "baseline": ("\u2605", 22, BASELINE)}
"""Marks that are texts, as 3-D plots have no such symbols: text, size, colour."""


def space_figure(record: StudyRecord, chances: Mapping[int, float] = NO_CHANCES) -> go.Figure:
    """Returns the 3-D figure; the first objective is the vertical axis.

    Improbable front points are faint, as in the pair plots.
    """
    groups = group_trials(record, chances)
    x, y, z = (
        scale_of(axis, groups.all) for axis in (record.axes[1], record.axes[2], record.axes[0])
    )
    figure = go.Figure()
    for name, trials, marker in (
        ("infeasible", groups.infeasible, {}),
        ("dominated", groups.dominated, {"color": DOMINATED, "size": 4}),
        ("near", groups.near, {"symbol": "diamond-open", "color": FRONT, "size": 5}),
        ("front", groups.front, {"color": FRONT, "size": 6}),
        ("baseline", groups.baseline, {}),
    ):
        if trials:
            figure.add_scatter3d(
                **{
                    key: [scale.factor * t.values[scale.axis.name] for t in trials]
                    for key, scale in (("x", x), ("y", y), ("z", z))
                },
                customdata=[t.number for t in trials],
                name=name,
                **(_text_mark(name, trials) or _marker(name, trials, chances, marker)),
                hovertemplate="%{hovertext}<extra></extra>",
            )
    frame = {**layout(), "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}
    return figure.update_layout(
        **frame,
        height=560,
        showlegend=False,
        scene={
            "xaxis": _axis(groups, x),
            "yaxis": _axis(groups, y),
            "zaxis": _axis(groups, z),
            "aspectmode": "cube",
            "camera": {
                "eye": {"x": 1.9, "y": 1.0, "z": 0.6},
                "center": {"x": 0, "y": 0, "z": -0.15},
            },
        },
    )


def _text_mark(name: str, trials: Sequence[TrialRecord]) -> dict[str, Any] | None:
    """Returns the marks of a group that is drawn with a text; None for other groups."""
    if name not in TEXT_MARKS:
        return None
    mark, size, colour = TEXT_MARKS[name]
    return {
        "mode": "text",
        "text": [mark] * len(trials),
        "textfont": {"size": size, "color": colour},
        "textposition": "middle center",
    }


def _marker(
    name: str, trials: Sequence[TrialRecord], chances: Mapping[int, float], marker: dict[str, Any]
) -> dict[str, Any]:
    """Returns the markers of a group; those of improbable front points are mixed with white."""
    look = {**marker, "line": {"width": 1, "color": "white"}}
    if name in ("near", "front"):
        look["color"] = [
            _faint(marker["color"], FAINT + (1 - FAINT) * chances.get(t.number, 1.0))
            for t in trials
        ]
    return {"mode": "markers", "marker": look}


def _faint(colour: str, opacity: float) -> str:
    """Returns a colour #rrggbb on white; 3-D plots draw transparent markers in other colours."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (part - 255) * opacity):02x}" for part in parts)


def _axis(groups: TrialGroups, scale: PlotScale) -> dict[str, Any]:
    """Returns an axis with a short title: long ones overlap in the 3-D view."""
    title = f"{scale.axis.name}{f' ({scale.unit})' if scale.unit else ''}"
    look = {"gridcolor": GRID, "backgroundcolor": "#f8fafc", "color": MUTED}
    return {**scale.layout(), "title": {"text": title}, **visible_range(groups, scale), **look}
