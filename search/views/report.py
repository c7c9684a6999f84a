"""The report of a study: one HTML file that needs no network and no server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import compress
from pathlib import Path
from typing import Any

import jinja2
import yaml
from plotly.offline import get_plotlyjs

from paretune.objectives.base import Measurement
from paretune.search.errors import UserError
from paretune.search.files import write_atomically
from paretune.search.front.changes import change
from paretune.search.front.differences import has_relative_noise
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.units import format_chance, format_interval, format_quantity
from paretune.search.views.attribution import contributions_of
from paretune.search.views.change_text import equal_text, times_text, times_words, within_text
from paretune.search.views.contribution_text import EXPLANATION, contributions_json
from paretune.search.views.front_columns import cells_of, headings_of, visible_columns
from paretune.search.views.front_table import (
    FrontInfo,
    FrontRow,
    front_info,
    ratios_of,
    shown_chances,
)
from paretune.search.views.front_text import (
    change_notes,
    mark_text,
    not_confirmed_text,
    notes_of,
)
from paretune.search.views.goals import goals_info
from paretune.search.views.headline import answer_text, best_row
from paretune.search.views.history_plot import history_figure
from paretune.search.views.hypervolume_plot import hypervolume_figure
from paretune.search.views.importance import importance_info
from paretune.search.views.infeasibility import infeasible_lines
from paretune.search.views.loaded_weights import loaded_weights_of
from paretune.search.views.missing_sections import missing_sections
from paretune.search.views.pair_plots import pair_figures
from paretune.search.views.parallel_coordinates import lines_figure
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.portability_text import portability_facts
from paretune.search.views.space_plot import space_figure
from paretune.search.views.states import BREAK, BREAKS, UNMEASURED
from paretune.search.views.words import and_text, cores_text, count_text

PAGE = Path(__file__).parent / "page"
"""Folder of the template, its style sheet and its script."""


DATA_NOTES = ("seen", "no_test", "notes")
"""Facts about the data that stand below the front as sentences."""


def write_report(record: StudyRecord, path: Path) -> None:
    """Writes the report of a study with any number of trials and objectives.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_atomically(path, report_html(record))
    except OSError as error:
        raise UserError(f"{path}: the report cannot be written: {error.strerror}") from error


def report_html(record: StudyRecord) -> str:
    """Returns the page; the template escapes everything that comes from the study."""
    front = front_info(record)
    chances = shown_chances(record)
    seeds = bool(front.seeds)
    visible = visible_columns(front.rows, front.axes, seeds)
    headings = list(compress(headings_of(front.axes, seeds), visible))
    others = (*front.not_confirmed, *front.close, *front.same_network)
    rows = [_row(row, front, visible) for row in (*front.rows, *others)]
    texts = [text for row in rows for text, _ in row["cells"]]
    important = importance_info(record)
    figures = _figures(record, chances, important)
    data = {
        "axes": [axis.name for axis in record.axes],
        "trials": [
            {**_trial(trial, record), **_chance_fields(chances.get(trial.number))}
            for trial in record.trials
        ],
        "figures": {name: json.loads(figure.to_json()) for name, figure in figures.items()},
    }
    return _template().render(
        record=record,
        front=front,
        answer=answer_text(front).replace("->", "→"),
        reasons=infeasible_lines(record),
        tiles=_tiles(front),
        headings=["trial", *headings, *(["P(front)"] if chances else []), "model"],
        rows=rows,
        notes=[*notes_of(front), *change_notes(front, headings, texts)],
        contributed=_contributed(front, record),
        goals=goals_info(record),
        versions=record.versions,
        rounds=[round for round in record.rounds if round.get("sentences")],
        pairs=[(name, figures[name]) for name in figures if name.startswith("pair-")],
        titles={name: f.layout.meta for name, f in figures.items()},
        figures=figures,
        important=important,
        missing=missing_sections(record),
        facts=[*_facts(record), *_portability(record, front)],
        summary=_summary(record),
        source=yaml.safe_dump(_plain(record.source), sort_keys=False, default_flow_style=None),
        data=_embedded(data),
        style=(PAGE / "report.css").read_text(encoding="utf-8"),
        script=(PAGE / "report.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        written=f"{datetime.now():%Y-%m-%d %H:%M}",
    )


def _figures(
    record: StudyRecord, chances: Mapping[int, float], important: tuple[Any, ...]
) -> dict[str, Any]:
    """Returns name -> figure, for each figure that has something to draw."""
    if not any(trial.state == "complete" for trial in record.trials):
        return {}
    figures: dict[str, Any] = {}
    for number, (title, figure) in enumerate(pair_figures(record, chances)):
        figures[f"pair-{number}"] = figure.update_layout(meta=title)
    if len(record.axes) == 1:
        title = f"{record.axes[0].name} over the trials"
        figures["pair-0"] = history_figure(record).update_layout(meta=title)
    if len(record.axes) >= 3:
        figures["space"] = space_figure(record, chances)
    for name, figure in (
        ("lines", lines_figure(record, important)),
        ("hypervolume", hypervolume_figure(record)),
    ):
        if figure is not None:
            figures[name] = figure
    return figures


def _tiles(front: FrontInfo) -> list[tuple[str, str, str]]:
    """Returns the result in large print: (figure, what it counts, baseline → trial).

    A difference within noise is no gain and no loss, so words take the place of its figure.
    """
    row, base = best_row(front), front.baseline
    if row is None or base is None:
        return []
    tiles = []
    for axis in front.axes:
        old, new = base.validation[axis.name], row.validation[axis.name]
        label = axis.name
        if axis.is_score:
            if axis.name in row.test and axis.name in base.test:
                old, new = base.test[axis.name], row.test[axis.name]
                label = f"{axis.name} on test"
            figure = _score_figure(old, new)
        else:
            figure, label = times_words(row.ratios.get(axis.name, 1.0), axis)
        against = row.changes.get(axis.name)
        if against is not None and not against.beyond_noise:
            figure = equal_text(axis)
            label = within_text(against, axis.unit) + (" on test" if against.part == "test" else "")
        span = f"{format_quantity(old.value, axis)} → {format_quantity(new.value, axis)}"
        tiles.append((figure, label, span))
    return tiles


def _score_figure(old: Measurement, new: Measurement) -> str:
    """Returns how a score differs: `-0.4 points`, `+2.1 %`; in its unit if it may be negative."""
    apart = new.value - old.value
    if old.unit == "fraction":
        return f"{100 * apart:+.1f} points"
    if has_relative_noise([old, new]):
        return f"{100 * apart / old.value:+.1f} %"
    return f"{apart:+.3g} {old.unit}".rstrip()


def _contributed(front: FrontInfo, record: StudyRecord) -> dict[str, Any] | None:
    """Returns what each technique of the answer's trial contributed; None if it has none."""
    row = best_row(front)
    trial = next((t for t in record.trials if row and t.number == row.trial), None)
    made = contributions_of(trial, record.trials, record.axes) if trial else ()
    if not made:
        return None
    return {
        "trial": row.trial if row else 0,
        "parts": contributions_json(made, record.axes),
        "explanation": EXPLANATION,
    }


def _row(row: FrontRow, front: FrontInfo, visible: Sequence[bool]) -> dict[str, Any]:
    """Returns a row of the front's table."""
    return {
        "trial": row.trial,
        "cells": list(compress(cells_of(row, front.axes, bool(front.seeds)), visible)),
        "chance": format_chance(row.chance),
        "plan": row.plan,
        "marks": [mark_text(row, mark) for mark in row.marks],
        "baseline": row.trial == 0,
        "same_network": row in front.same_network,
        "close": row in front.close,
        "not_confirmed": not_confirmed_text(row, front) if row in front.not_confirmed else "",
    }


def _trial(trial: TrialRecord, record: StudyRecord) -> dict[str, Any]:
    """Returns a trial as the page's script sorts, filters and shows it."""
    ratios = ratios_of(trial, record)
    values = []
    for axis in record.axes:
        measured = trial.measurements.get(axis.name)
        value = trial.values.get(axis.name)
        text = "" if value is None else format_quantity(value, axis)
        spread = format_interval(measured) if measured else ""
        times = ratios.get(axis.name)
        better = times_text(times, axis) if times and trial.number else ""
        base = record.baseline.measurements.get(axis.name) if record.baseline else None
        if better and measured and base and not change(measured, base).beyond_noise:
            better = equal_text(axis)
        values.append([value, text, spread, better])
    broken = [text for text, violation in trial.violations.items() if violation > 0]
    reason = trial.reason or {}
    note = (
        f"same plan as trial {trial.repeat_of}"
        if trial.repeat_of is not None
        else f"{reason.get('stage', '')}: {reason.get('text', '')}"
        if reason
        else ("breaks " + "; ".join(broken) if broken else "")
    )
    return {
        "n": trial.number,
        "state": _state(trial, record),
        "values": values,
        "plan": trial_plan_text(trial),
        "seconds": round(trial.finished - trial.started, 1) if trial.finished else None,
        "note": note,
        "params": {name: _rounded(value) for name, value in trial.params.items()},
    }


def _chance_fields(chance: float | None) -> dict[str, Any]:
    """Returns a probability as text, and as a number to sort by."""
    return {"chance": format_chance(chance), "odds": None if chance is None else round(chance, 3)}


def _state(trial: TrialRecord, record: StudyRecord) -> str:
    if trial.number == 0:
        return "baseline"
    if trial.repeat_of is not None:
        return "repeated"
    if trial.state == "complete":
        if trial.number in record.members:
            return "front"
        if not trial.measured_now:
            return UNMEASURED
        return "dominated" if trial.feasible else BREAKS
    return trial.state


def _summary(record: StudyRecord) -> str:
    distinct = [t for t in record.trials if t.number and t.repeat_of is None]
    states = [_state(trial, record) for trial in distinct]
    variants = len(distinct) - record.trial_count
    parts = [
        count_text(record.trial_count, "trial")
        + (f" and {count_text(variants, 'format variant')}" if variants else "")
    ]
    for state in ("front", BREAKS, "infeasible", "stopped", "failed", "running", "paused"):
        if number := states.count(state):
            word = "on the front" if state == "front" else state
            word = BREAK if state == BREAKS and number > 1 else word
            parts.append(f"{number} {word}")
    text = ", ".join(parts)
    return (
        f"{text}; objectives {and_text([axis.name for axis in record.axes])}"
        if record.axes
        else text
    )


def _facts(record: StudyRecord) -> list[tuple[str, str]]:
    """Returns (name, text) of the data, hosts, versions and conditions of the measurements."""
    info = record.info
    facts = []
    if data := info.get("data"):
        shown = {k: v for k, v in data.items() if k not in DATA_NOTES}
        facts.append(("data", ", ".join(f"{k} {v}" for k, v in shown.items())))
    if record.baseline and (weights := loaded_weights_of(record.baseline)):
        facts.append(("the baseline's checkpoint", weights))
    for digest, host in (info.get("hosts") or {}).items():
        memory = host.get("memory_bytes")
        parts = [str(host.get("cpu", "")), cores_text(host)]
        parts += [f"{memory / 1e9:.0f} GB memory"] if memory else []
        facts.append((f"host {digest[:6]}", ", ".join([*parts, str(host.get("system", ""))])))
    if versions := info.get("versions"):
        facts.append(("versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    if record.baseline:
        for axis in record.axes:
            measured = record.baseline.measurements.get(axis.name)
            if measured and measured.conditions:
                text = ", ".join(f"{k} {_text(v)}" for k, v in measured.conditions.items())
                facts.append((f"{axis.name} measured with", text))
    return facts


def _portability(record: StudyRecord, front: FrontInfo) -> list[tuple[str, str]]:
    """Returns which execution providers run the files of the baseline and the front."""
    shown = {0, *(row.trial for row in front.rows)}
    return portability_facts(trial for trial in record.trials if trial.number in shown)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """Returns the value with mappings as dicts and sequences as lists, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _embedded(data: object) -> str:
    """Returns JSON that is safe inside a script element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("report.html")
