"""The figures of a study by name, as in the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from paretune.search.errors import UserError
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.units import format_quantity
from paretune.search.views.front_table import shown_chances
from paretune.search.views.history_plot import history_figure
from paretune.search.views.hypervolume_plot import hypervolume_figure
from paretune.search.views.importance import importance_info
from paretune.search.views.importance_plot import importance_figure
from paretune.search.views.pair_plots import pair_figures
from paretune.search.views.parallel_coordinates import lines_figure
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.space_plot import space_figure
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    import plotly.graph_objects as go


def figure(record: StudyRecord, name: str, objectives: Sequence[str] = ()) -> go.Figure:
    """Returns a figure.

    Args:
        record: The study, with its final front.
        name: A key of FIGURES.
        objectives: The objectives to draw; by default the first ones.

    Raises:
        UserError: There is no such figure or objective, or nothing to draw yet.
    """
    if name not in FIGURES:
        hint = did_you_mean(name, list(FIGURES)) or "."
        raise UserError(f'there is no plot "{name}"{hint} Known: {", ".join(FIGURES)}.')
    names = [axis.name for axis in record.axes]
    for objective in objectives:
        if objective not in names:
            hint = did_you_mean(objective, names) or "."
            raise UserError(
                f'plot "{name}": the study has no objective "{objective}"{hint} '
                f"Known: {', '.join(names)}."
            )
    if not any(trial.state == "complete" for trial in record.trials):
        raise UserError(f'plot "{name}": no trial is complete yet; run the study first')
    made = FIGURES[name](record, objectives)
    if made is None:
        raise UserError(f'plot "{name}": there are too few trials to draw yet')
    return _with_texts(made, record)


def _front(record: StudyRecord, objectives: Sequence[str]) -> go.Figure:
    """Returns the plot of two objectives; the history of a study that has only one."""
    axes = [axis.name for axis in record.axes]
    if len(axes) == 1:
        return history_figure(record)
    first, second = _pair(axes, objectives)
    pairs = list(combinations(axes, 2))
    return pair_figures(record, shown_chances(record))[pairs.index((first, second))][1]


def _pair(axes: Sequence[str], objectives: Sequence[str]) -> list[str]:
    """Returns two objectives in the order of the study.

    Raises:
        UserError: There are not two different ones.
    """
    if not objectives:
        return list(axes[:2])
    chosen = [axis for axis in axes if axis in objectives]
    if len(objectives) == 1:
        chosen = sorted({axes[0], *chosen} if chosen != [axes[0]] else axes[:2], key=axes.index)
    if len(chosen) != 2 or len(objectives) > 2:
        raise UserError(
            f'plot "front": give two different objectives of {", ".join(axes)}, '
            f"not {', '.join(objectives)}"
        )
    return chosen


def _history(record: StudyRecord, objectives: Sequence[str]) -> go.Figure:
    return history_figure(record, objectives[0] if objectives else None)


def _space(record: StudyRecord, objectives: Sequence[str]) -> go.Figure:
    if len(record.axes) < 3:
        raise UserError(f'plot "space" needs three objectives; the study has {len(record.axes)}')
    return space_figure(record, shown_chances(record))


def _parallel(record: StudyRecord, objectives: Sequence[str]) -> go.Figure | None:
    return lines_figure(record, importance_info(record))


def _hypervolume(record: StudyRecord, objectives: Sequence[str]) -> go.Figure | None:
    return hypervolume_figure(record)


def _importance(record: StudyRecord, objectives: Sequence[str]) -> go.Figure | None:
    return importance_figure(importance_info(record), objectives or [a.name for a in record.axes])


FIGURES: dict[str, Callable[[StudyRecord, Sequence[str]], go.Figure | None]] = {
    "front": _front,
    "importance": _importance,
    "history": _history,
    "hypervolume": _hypervolume,
    "parallel": _parallel,
    "space": _space,
}
"""Name -> function that draws the figure."""


def _with_texts(made: go.Figure, record: StudyRecord) -> go.Figure:
    """Adds the text of each point; the report's own figures hold the numbers of trials alone."""
    trials = {trial.number: trial for trial in record.trials}
    for trace in made.data:
        numbers = getattr(trace, "customdata", None)
        if numbers is not None:
            trace.hovertext = [_hover(trials[int(number)], record) for number in numbers]
    return made


def _hover(trial: TrialRecord, record: StudyRecord) -> str:
    values = [
        f"{axis.name} {format_quantity(trial.values[axis.name], axis)}"
        for axis in record.axes
        if axis.name in trial.values
    ]
    head = f"trial {trial.number}" if trial.number else "baseline"
    return "<br>".join([f"<b>{head}</b>", *values, trial_plan_text(trial)])
