"""Colours and layout that all figures share."""

from __future__ import annotations

from typing import Any

INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
FRONT, DOMINATED, INFEASIBLE, BASELINE = "#2463eb", "#9fb3c8", "#e07b39", "#1f2933"
SCALE = [[0.0, "#dbe4ff"], [0.35, "#91a7ff"], [0.7, "#4263eb"], [1.0, "#1b2f8a"]]

FAINT = 0.25
"""Opacity of a point with front probability 0; probability 1 gives opacity 1."""


def layout() -> dict[str, Any]:
    """Returns a new plotly layout that a figure may change."""
    return {
        "template": "plotly_white",
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', sans-serif", "color": INK},
        "margin": {"l": 64, "r": 16, "t": 8, "b": 56},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"align": "left", "bgcolor": "white", "font": {"color": INK, "size": 12}},
        "autosize": True,
    }
