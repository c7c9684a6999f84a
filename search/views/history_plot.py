"""The values of one objective over the trials of a study."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from paretune.search.study.records import StudyRecord
from paretune.search.views.plot_scales import scale_of
from paretune.search.views.plot_style import BASELINE, DOMINATED, FRONT, INFEASIBLE, layout
from paretune.search.views.trial_groups import group_trials


def history_figure(record: StudyRecord, objective: str | None = None) -> go.Figure:
    """Returns the figure of one objective: each value, and the best until then.

    Args:
        record: The study.
        objective: Name of the objective; None for the first.
    """
    groups = group_trials(record)
    axis = next(axis for axis in record.axes if objective in (None, axis.name))
    scale = scale_of(axis, groups.all)
    name = scale.axis.name
    figure = go.Figure()
    for kind, trials, colour in (
        ("infeasible", groups.infeasible, INFEASIBLE),
        ("feasible", (*groups.dominated, *groups.front), DOMINATED),
        ("baseline", groups.baseline, BASELINE),
    ):
        if trials:
            figure.add_scatter(
                x=[t.number for t in trials],
                y=[scale.factor * t.values[name] for t in trials],
                customdata=[t.number for t in trials],
                mode="markers",
                name=kind,
                marker={"color": colour, "size": 8},
                hovertemplate="%{hovertext}<extra></extra>",
            )
    ordered = sorted(groups.feasible, key=lambda t: t.number)
    if ordered:
        best = np.minimum if scale.axis.better == "lower" else np.maximum
        figure.add_scatter(
            x=[t.number for t in ordered],
            y=best.accumulate([scale.factor * t.values[name] for t in ordered]),
            mode="lines",
            line={"color": FRONT, "shape": "hv"},
            name="best so far",
            hoverinfo="skip",
        )
    return figure.update_layout(
        **layout(), xaxis={"title": {"text": "trial"}}, yaxis=scale.layout(), height=420
    )
