"""Figures of a profile: bars of the layers and bars of the operators. Pure."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paretune.search.profiling.profile import Profile, ProfileRow, worst_rows
from paretune.search.profiling.text import share_text, shorten
from paretune.search.study.units import format_value
from paretune.search.views.plot_style import BASELINE, DOMINATED, FRONT, INFEASIBLE, layout

MOST_LAYERS, MOST_OPERATORS = 24, 12

GAP = " "
"""Space between a name and its bar."""

COLUMNS = {
    "time": FRONT,
    "macs": BASELINE,
    "parameters": INFEASIBLE,
    "memory": DOMINATED,
}
TITLES = ("time", "multiply-adds", "parameters", "memory")


def layers_figure(profile: Profile) -> go.Figure:
    """Returns bars of each layer's share of time, multiply-adds, parameters and memory."""
    rows = worst_rows(profile.rows, MOST_LAYERS)[::-1]
    names = [shorten(row.name, 34) for row in rows]
    figure = make_subplots(
        1, len(COLUMNS), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=TITLES
    )
    for column, (name, colour) in enumerate(COLUMNS.items(), start=1):
        figure.add_bar(
            x=[100 * row.shares[name] for row in rows],
            y=list(range(len(rows))),
            orientation="h",
            marker={"color": colour},
            text=[share_text(row.shares[name]) for row in rows],
            textposition="outside",
            cliponaxis=False,
            hovertext=[_hover(row) for row in rows],
            hovertemplate="%{hovertext}<extra></extra>",
            row=1,
            col=column,
        )
        largest = max((100 * row.shares[name] for row in rows), default=0.0)
        figure.update_xaxes(range=[0, max(1.0, 1.35 * largest)], ticksuffix=" %", row=1, col=column)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=[name + GAP for name in names])
    frame: dict[str, Any] = {**layout(), "margin": {"l": 8, "r": 24, "t": 28, "b": 36}}
    return figure.update_layout(
        **frame, height=90 + 24 * max(3, len(rows)), showlegend=False, bargap=0.25
    ).update_yaxes(automargin=True)


def operators_figure(profile: Profile) -> go.Figure:
    """Returns bars of the milliseconds of each operator."""
    rows = profile.operators[:MOST_OPERATORS][::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[ms for _, ms, _ in rows],
        y=[name for name, _, _ in rows],
        orientation="h",
        marker={"color": FRONT},
        text=[f"{format_value(ms, 'ms')}, {share_text(share)}" for _, ms, share in rows],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    largest = max((ms for _, ms, _ in rows), default=0.0)
    frame: dict[str, Any] = {**layout(), "margin": {"l": 8, "r": 24, "t": 8, "b": 48}}
    return figure.update_layout(
        **frame,
        height=90 + 24 * max(2, len(rows)),
        xaxis={"title": {"text": "milliseconds in one run"}, "range": [0, 1.25 * largest or 1]},
        yaxis={"automargin": True, "ticksuffix": GAP},
        bargap=0.25,
    )


def _hover(row: ProfileRow) -> str:
    layer = row.layer
    lines = [
        f"<b>{row.name}</b> {layer.kind}",
        f"{format_value(row.ms, 'ms')} ({share_text(row.shares['time']) or '0 %'})"
        if row.ms
        else "fused into another layer",
        f"{format_value(layer.macs, 'MACs')} multiply-adds",
        f"{format_value(layer.parameters, 'parameters')} parameters",
        f"{format_value(row.memory, 'bytes')} of weights and output",
    ]
    if layer.output:
        lines.append("output " + "x".join(map(str, layer.output)))
    return "<br>".join(lines)
