"""The importance of the parameters as bars."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from paretune.search.views.importance import Importance
from paretune.search.views.plot_style import BASELINE, DOMINATED, FRONT, INFEASIBLE, layout

COLOURS = (FRONT, INFEASIBLE, DOMINATED, BASELINE)

MOST_BARS = 15
"""Most parameters, the most important ones."""


def importance_figure(
    important: Sequence[Importance], objectives: Sequence[str]
) -> go.Figure | None:
    """Returns a bar for each parameter and objective: the share of variance that it explains.

    Args:
        important: The parameters, the most important first.
        objectives: The objectives to draw.

    Returns:
        None if no parameter has an importance yet.
    """
    shown = important[:MOST_BARS][::-1]  # plotly draws the first bar at the bottom
    if not shown:
        return None
    figure = go.Figure()
    for number, objective in enumerate(objectives):
        figure.add_bar(
            x=[100 * entry.shares.get(objective, 0.0) for entry in shown],
            y=[entry.parameter for entry in shown],
            orientation="h",
            name=objective,
            marker={"color": COLOURS[number % len(COLOURS)]},
            hovertemplate="%{y}: %{x:.0f} % of the variance<extra>" + objective + "</extra>",
        )
    frame = {**layout(), "margin": {"l": 220, "r": 16, "t": 8, "b": 56}}
    return figure.update_layout(
        **frame,
        barmode="group",
        height=120 + 22 * len(shown) * max(1, len(objectives)),
        xaxis={"title": {"text": "share of the variance, %"}, "range": [0, 100]},
    )
