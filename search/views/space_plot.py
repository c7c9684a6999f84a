"""The first three objectives of a study in one 3-D view."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord
from paretune.search.views.plot_scales import PlotScale, scale_of, visible_range
from paretune.search.views.plot_style import (
    BASELINE,
    DOMINATED,
    FRONT,
    GRID,
    INFEASIBLE,
    MUTED,
    layout,
)
from paretune.search.views.trial_groups import TrialGroups, group_trials


def space_figure(record: StudyRecord) -> go.Figure:
    """Returns the 3-D figure; the first objective is the vertical axis."""
    groups = group_trials(record)
    x, y, z = (
        scale_of(axis, groups.all) for axis in (record.axes[1], record.axes[2], record.axes[0])
    )
    figure = go.Figure()
    for name, trials, marker in (
        ("infeasible", groups.infeasible, {"symbol": "cross", "color": INFEASIBLE, "size": 5}),
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
    frame = {**layout(), "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}
    return figure.update_layout(
        **frame,
        height=560,
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


def _axis(groups: TrialGroups, scale: PlotScale) -> dict[str, Any]:
    """Returns an axis with a short title: long ones overlap in the 3-D view."""
    title = f"{scale.axis.name}{f' ({scale.unit})' if scale.unit else ''}"
    look = {"gridcolor": GRID, "backgroundcolor": "#f8fafc", "color": MUTED}
    return {**scale.layout(), "title": {"text": title}, **visible_range(groups, scale), **look}
