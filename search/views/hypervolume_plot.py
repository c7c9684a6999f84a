"""The hypervolume history of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.views.plot_style import FRONT, layout


def hypervolume_figure(record: StudyRecord) -> go.Figure | None:
    """Returns the hypervolume of the front over the working time; None without any front."""
    points = [point for point in record.growth if point.hypervolume is not None]
    if not points:
        return None
    clock = _working_time(record.trials)
    minutes = [clock.get(point.trial, 0.0) / 60 for point in points]
    end = max([*clock.values(), 0.0]) / 60
    volumes = [point.hypervolume for point in points]
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
        hovertext=[
            f"trial {p.trial}<br>hypervolume {p.hypervolume:.4f}<br>{len(p.members)} on the front"
            for p in points
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    return figure.update_layout(
        **layout(),
        height=320,
        xaxis={"title": {"text": "working time, minutes"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "hypervolume, higher is better"}, "rangemode": "tozero"},
    )


def _working_time(trials: Sequence[TrialRecord]) -> Mapping[int, float]:
    """Returns trial -> seconds of work until it ended; pauses between two runs do not count."""
    ended = sorted(
        (t for t in trials if t.finished is not None), key=lambda t: (t.finished, t.number)
    )
    clock, last = 0.0, ended[0].started if ended else 0.0
    seconds = {}
    for trial in ended:
        assert trial.finished is not None
        clock += max(0.0, trial.finished - max(last, trial.started))
        last = max(last, trial.finished)
        seconds[trial.number] = clock
    return seconds
