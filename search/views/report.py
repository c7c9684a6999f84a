"""The report: a study as one HTML file that needs no network and no server."""

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

from paretune.search.errors import UserError
from paretune.search.files import written_whole
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.units import format_chance, format_interval, format_times, format_value
from paretune.search.views.columns import cells_of, headings_of, shown_of
from paretune.search.views.front import FrontInfo, FrontRow, front_info, ratios_of, shown_chances
from paretune.search.views.front_text import mark_text, notes_of
from paretune.search.views.goals import goals_info
from paretune.search.views.headline import (
    answer_text,
    best_row,
    better_word,
    counted,
    names_of,
    times_text,
)
from paretune.search.views.importance import FEWEST, importance_info
from paretune.search.views.parallel_coordinates import lines_figure
from paretune.search.views.plan_text import plan_text
from paretune.search.views.plots import growth_figure, history_figure, pair_figures, space_figure

PAGE = Path(__file__).parent / "page"
"""The template, its style and its script."""


def write_report(record: StudyRecord, path: Path) -> None:
    """Writes the report of a study, of any number of trials and objectives.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        written_whole(path, report_html(record))
    except OSError as error:
        raise UserError(f"{path}: the report cannot be written: {error.strerror}") from error


def report_html(record: StudyRecord) -> str:
    """The whole page; everything that comes from the study is escaped by the template."""
    front = front_info(record)
    chances = shown_chances(record)
    shown = shown_of(front.rows, front.axes)
    important = importance_info(record)
    figures = _figures(record, chances, important)
    data = {
        "axes": [axis.name for axis in record.axes],
        "trials": [
            {**_trial(trial, record), **_chance(chances.get(trial.number))}
            for trial in record.trials
        ],
        "figures": {name: json.loads(figure.to_json()) for name, figure in figures.items()},
    }
    return _template().render(
        record=record,
        front=front,
        answer=answer_text(front),
        tiles=_tiles(front),
        headings=[
            "trial",
            *compress(headings_of(front.axes), shown),
            *(["P(front)"] if chances else []),
            "model",
        ],
        rows=[_row(row, front, shown) for row in (*front.rows, *front.close)],
        notes=notes_of(front),
        goals=goals_info(record),
        pairs=[(name, figures[name]) for name in figures if name.startswith("pair-")],
        titles={name: f.layout.meta for name, f in figures.items()},
        figures=figures,
        important=important,
        fewest=FEWEST,
        facts=_facts(record),
        summary=_summary(record),
        source=yaml.safe_dump(_plain(record.source), sort_keys=False, default_flow_style=None),
        data=_embedded(data),
        style=(PAGE / "report.css").read_text(encoding="utf-8"),
        script=(PAGE / "report.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
    )


def _figures(
    record: StudyRecord, chances: Mapping[int, float], important: tuple[Any, ...]
) -> dict[str, Any]:
    """Name -> figure, for everything there is something to draw of."""
    if not any(trial.state == "complete" for trial in record.trials):
        return {}
    found: dict[str, Any] = {}
    for number, (title, figure) in enumerate(pair_figures(record, chances)):
        found[f"pair-{number}"] = figure.update_layout(meta=title)
    if len(record.axes) == 1:
        title = f"{record.axes[0].name} over the trials"
        found["pair-0"] = history_figure(record).update_layout(meta=title)
    if len(record.axes) >= 3:
        found["space"] = space_figure(record)
    for name, figure in (
        ("lines", lines_figure(record, important)),
        ("growth", growth_figure(record)),
    ):
        if figure is not None:
            found[name] = figure
    return found


def _tiles(front: FrontInfo) -> list[tuple[str, str, str]]:
    """The answer in large print: (figure, what it is, from what to what)."""
    row, base = best_row(front), front.baseline
    if row is None or base is None:
        return []
    tiles = []
    for axis in front.axes:
        old, new = base.validation[axis.name], row.validation[axis.name]
        what = axis.name
        if axis.unit == "fraction":
            if axis.name in row.test and axis.name in base.test:
                old, new, what = base.test[axis.name], row.test[axis.name], f"{axis.name} on test"
            figure = f"{100 * (new.value - old.value):+.1f} pt"
        else:
            figure = format_times(row.ratios.get(axis.name, 1.0))
            what = better_word(axis)
        span = f"{format_value(old.value, axis.unit)} → {format_value(new.value, axis.unit)}"
        tiles.append((figure, what, span))
    return tiles


def _row(row: FrontRow, front: FrontInfo, shown: Sequence[bool]) -> dict[str, Any]:
    """A row of the front's table."""
    return {
        "trial": row.trial,
        "cells": list(compress(cells_of(row, front.axes), shown)),
        "chance": format_chance(row.chance),
        "plan": row.plan,
        "marks": [mark_text(row, mark) for mark in row.marks],
        "baseline": row.trial == 0,
        "close": row.trial != 0 and not row.on_front,
    }


def _trial(trial: TrialRecord, record: StudyRecord) -> dict[str, Any]:
    """A trial as the page's script needs it: to sort, to filter, to hover."""
    ratios = ratios_of(trial, record)
    shown = []
    for axis in record.axes:
        measured = trial.measurements.get(axis.name)
        value = trial.values.get(axis.name)
        text = "" if value is None else format_value(value, axis.unit)
        spread = format_interval(measured) if measured else ""
        times = ratios.get(axis.name)
        better = times_text(times, axis) if times and trial.number else ""
        shown.append([value, text, spread, better])
    broken = [text for text, violation in trial.violations.items() if violation > 0]
    reason = trial.reason or {}
    note = (
        f"the same plan as trial {trial.repeats}"
        if trial.repeats is not None
        else f"{reason.get('stage', '')}: {reason.get('text', '')}"
        if reason
        else ("breaks " + "; ".join(broken) if broken else "")
    )
    return {
        "n": trial.number,
        "state": _state(trial, record),
        "values": shown,
        "plan": plan_text(trial.plan),
        "seconds": round(trial.finished - trial.started, 1) if trial.finished else None,
        "note": note,
        "params": {name: _rounded(value) for name, value in trial.params.items()},
    }


def _chance(chance: float | None) -> dict[str, Any]:
    """A probability to read, and to sort by."""
    return {"chance": format_chance(chance), "odds": None if chance is None else round(chance, 3)}


def _state(trial: TrialRecord, record: StudyRecord) -> str:
    if trial.number == 0:
        return "baseline"
    if trial.repeats is not None:
        return "repeated"
    if trial.state == "complete":
        if trial.number in record.members:
            return "front"
        return "dominated" if trial.feasible else "infeasible"
    if trial.state in ("infeasible", "stopped"):
        return "stopped early" if trial.raced else "infeasible"
    return trial.state


def _summary(record: StudyRecord) -> str:
    own = [t for t in record.trials if t.number and t.repeats is None]
    states = [_state(trial, record) for trial in own]
    parts = [counted(len(own), "trial")]
    for state in ("front", "infeasible", "stopped early", "failed", "running", "paused"):
        if states.count(state):
            word = "on the front" if state == "front" else state
            parts.append(f"{states.count(state)} {word}")
    text = ", ".join(parts)
    return f"{text}; objectives {names_of(record.axes)}" if record.axes else text


def _facts(record: StudyRecord) -> list[tuple[str, str]]:
    """What the figures have to be read with."""
    info = record.info
    found = []
    if data := info.get("data"):
        found.append(("data", ", ".join(f"{k} {v}" for k, v in data.items())))
    for digest, host in (info.get("hosts") or {}).items():
        memory = host.get("memory_bytes")
        shown = [str(host.get("cpu", "")), f"{host.get('cores')} cores"]
        shown += [f"{memory / 1e9:.0f} GB memory"] if memory else []
        found.append((f"host {digest[:6]}", ", ".join([*shown, str(host.get("system", ""))])))
    if versions := info.get("versions"):
        found.append(("versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    if record.baseline:
        for axis in record.axes:
            measured = record.baseline.measurements.get(axis.name)
            if measured and measured.conditions:
                text = ", ".join(f"{k} {_text(v)}" for k, v in measured.conditions.items())
                found.append((f"{axis.name} measured with", text))
    return found


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    """Mappings as dicts, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _embedded(data: object) -> str:
    """JSON that can stand within a script element, whatever it holds."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(PAGE)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True)
    return environment.get_template("report.html")
