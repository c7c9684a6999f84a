"""Figures of a study: records -> plotly figures. Pure; the page draws them.

Hover texts are not in the figures: each point carries the number of its trial, and the page, which
holds the text of every trial once, puts them in. With ten pairs of objectives and thousands of
trials that is most of a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paretune.search.front.final_front import NEAR
from paretune.search.front.pareto import non_dominated
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.views.scales import Scale, scale_of
from paretune.search.views.style import BASELINE, DOMINATED, FRONT, GRID, INFEASIBLE, MUTED, layout

NO_CHANCES: Mapping[int, float] = {}

FAINT = 0.25
"""Opacity of what is certainly not on the front."""


@dataclass(frozen=True)
class Groups:
    """The trials as plots tell them apart; a repeated plan is drawn once."""

    baseline: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    near: tuple[TrialRecord, ...]
    dominated: tuple[TrialRecord, ...]
    infeasible: tuple[TrialRecord, ...]

    @property
    def all(self) -> tuple[TrialRecord, ...]:
        """Every trial that has values."""
        return (*self.feasible, *self.infeasible)

    @property
    def feasible(self) -> tuple[TrialRecord, ...]:
        """Those that break no constraint."""
        return (*self.baseline, *self.front, *self.near, *self.dominated)


def groups_of(record: StudyRecord, chances: Mapping[int, float] = NO_CHANCES) -> Groups:
    """Complete trials by kind; those without values cannot be drawn.

    Args:
        record: The study.
        chances: Trial -> probability to be on the front; it tells who is near.
    """
    members = record.members
    near = {number for number, p in chances.items() if p >= NEAR and number not in members}
    trials = [t for t in record.trials if t.number and t.state == "complete" and t.repeats is None]
    return Groups(
        (record.baseline,) if record.baseline else (),
        tuple(t for t in trials if t.number in members),
        tuple(t for t in trials if t.number in near),
        tuple(t for t in trials if t.number not in members | near and t.feasible),
        tuple(t for t in trials if not t.feasible),
    )


def pair_figures(
    record: StudyRecord, chances: Mapping[int, float] = NO_CHANCES
) -> list[tuple[str, go.Figure]]:
    """A scatter for every pair of objectives, with its title; the improbable are faint."""
    groups = groups_of(record, chances)
    scales = [scale_of(axis, groups.all) for axis in record.axes]
    return [
        (f"{y.axis.name} against {x.axis.name}", _pair_figure(groups, chances, x, y))
        for y, x in combinations(scales, 2)
    ]


def _pair_figure(groups: Groups, chances: Mapping[int, float], x: Scale, y: Scale) -> go.Figure:
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
        likely = [FAINT + (1 - FAINT) * chances.get(t.number, 1.0) for t in trials]
        opacity = likely if name in ("near", "front") else 0.75 if name == "dominated" else 1.0
        figure.add_scatter(
            x=[x.factor * t.values[x.axis.name] for t in trials],
            y=[y.factor * t.values[y.axis.name] for t in trials],
            error_x=_error(trials, x, marker["color"]) if barred else None,
            error_y=_error(trials, y, marker["color"]) if barred else None,
            customdata=[t.number for t in trials],
            mode="markers",
            name=name,
            marker={**marker, "line": line, "opacity": opacity},
            hovertemplate="%{text}<extra></extra>",
        )
    axes = {"xaxis": x.layout() | _view(groups, x), "yaxis": y.layout() | _view(groups, y)}
    return figure.update_layout(**layout(), **axes, height=380, showlegend=False)


def _view(groups: Groups, scale: Scale) -> dict[str, Any]:
    """What is shown first of a fraction: the feasible trials, where infeasible ones lie far off.

    A training that collapsed to chance level would squeeze all else into a corner.
    """
    if scale.axis.unit != "fraction" or not groups.feasible or not groups.infeasible:
        return {}
    near, far = (
        [scale.factor * t.values[scale.axis.name] for t in trials]
        for trials in (groups.feasible, groups.infeasible)
    )
    width = max(near) - min(near) or 1.0
    low, high = min(near) - width, max(near) + width
    if min(far) >= low and max(far) <= high:
        return {}
    seen = [v for v in (*near, *far) if low <= v <= high]
    return {"range": [min(seen) - 0.1 * width, max(seen) + 0.2 * width]}


def history_figure(record: StudyRecord) -> go.Figure:
    """Values over the trials, for a study of one objective."""
    groups = groups_of(record)
    scale = scale_of(record.axes[0], groups.all)
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
                hovertemplate="%{text}<extra></extra>",
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


def space_figure(record: StudyRecord) -> go.Figure:
    """The first three objectives at once, to be turned with the mouse."""
    groups = groups_of(record)
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
    look = {"gridcolor": GRID, "backgroundcolor": "#f8fafc", "color": MUTED}
    return figure.update_layout(
        **frame,
        height=560,
        scene={
            "xaxis": {**_plain(x), **_view(groups, x), **look},
            "yaxis": {**_plain(y), **_view(groups, y), **look},
            "zaxis": {**_plain(z), **_view(groups, z), **look},
            "aspectmode": "cube",
            "camera": {"eye": {"x": 1.9, "y": 1.0, "z": 0.6}},
        },
    )


def growth_figure(record: StudyRecord) -> go.Figure | None:
    """The hypervolume of the front over the time of the study."""
    if not record.growth:
        return None
    clock = _working_time(record.trials)
    minutes = [clock.get(point.trial, 0.0) / 60 for point in record.growth]
    end = max([*clock.values(), 0.0]) / 60
    volumes = [point.hypervolume for point in record.growth]
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
        text=[
            f"trial {p.trial}<br>hypervolume {p.hypervolume:.4f}<br>{len(p.members)} on the front"
            for p in record.growth
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    return figure.update_layout(
        **layout(),
        height=320,
        xaxis={"title": {"text": "working time, minutes"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "hypervolume, higher is better"}, "rangemode": "tozero"},
    )


def _working_time(trials: Sequence[TrialRecord]) -> Mapping[int, float]:
    """Trial -> seconds of work when it ended; pauses between two runs do not count."""
    ended = sorted(
        (t for t in trials if t.finished is not None), key=lambda t: (t.finished, t.number)
    )
    clock, last, found = 0.0, ended[0].started if ended else 0.0, {}
    for trial in ended:
        assert trial.finished is not None
        clock += max(0.0, trial.finished - max(last, trial.started))
        last = max(last, trial.finished)
        found[trial.number] = clock
    return found


def _staircase(trials: Sequence[TrialRecord], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Points of the front of two objectives, by x."""
    points = np.array(
        [[t.values[x.axis.name], t.values[y.axis.name]] for t in trials], dtype=float
    ).reshape(-1, 2)
    signs = np.array([1.0 if s.axis.better == "lower" else -1.0 for s in (x, y)])
    kept = points[non_dominated(points * signs)]
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    return [(x.factor * float(a), y.factor * float(b)) for a, b in kept]


def _error(trials: Sequence[TrialRecord], scale: Scale, colour: str) -> dict[str, Any] | None:
    """95 % intervals as thin bars; None for exact quantities."""
    found = [t.measurements[scale.axis.name] for t in trials]
    if all(m.low == m.high for m in found):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [scale.factor * (m.high - m.value) for m in found],
        "arrayminus": [scale.factor * (m.value - m.low) for m in found],
        "thickness": 0.8,
        "width": 0,
        "color": colour,
    }


def _plain(scale: Scale) -> dict[str, Any]:
    """An axis of the 3-D view, where long titles overlap."""
    found = scale.layout()
    found["title"] = {"text": f"{scale.axis.name}{f' ({scale.unit})' if scale.unit else ''}"}
    return found
