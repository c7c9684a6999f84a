"""The state of a study as the page shows it, as JSON. Pure.

`GET /api/studies/{id}` returns all of it. An event `state` has the same keys, but only those that
changed; its `trials` has only the rows that changed, which replace the rows of the same numbers.

    {
      "id": "plates", "name": "plates", "file": "plates.yaml" or null,
      "epoch": "b1946ac9",             of this server; another one means: read the state again
      "seq": 17,                       grows with every change
      "status": "running",             running | holding (paused by the user) | stopping | idle
      "wanted": "run",                 run | pause | stop
      "axes": [{"name": "accuracy", "unit": "fraction", "better": "higher", "score": true}, ...],
      "targets": ["phone", ...],       empty in a study of one runtime
      "baseline": 0 or null,           number of the baseline's trial, once it is complete
      "constraints": [{"text": "latency <= 0.5 x baseline", "quantity": "latency", "unit": "ms",
                       "upper": true, "relative": true, "bound": 0.091 or null}, ...],
      "goals": [{...as a constraint, "reached": [3, 8]}, ...],
      "budget": {"trials": 50 or null, "done": 12, "left": 38 or null, "seconds_left": 310 or null},
      "counts": {"complete": 9, "infeasible": 3, "running": 1, ...},
      "version": 2,                    of the study
      "versions": [{"number": 2, "text": "version 2 (...): ...", "changes": ["..."]}, ...],
      "rounds": [{"number": 1, "text": "...", "changes": ["..."]}, ...],   of paretune optimize
      "trials": {                      arrays of equal length, one entry for each trial
        "number": [0, 1, ...], "state": ["complete", ...],
        "started": [1764380000.1, ...], "seconds": [12.3, null, ...],
        "plan": ["simple_cnn width 1 ...", ...],
        "values": {"accuracy": [0.97, null, ...], ...},      by objective
        "low": {...}, "high": {...},                         ends of the 95 % intervals
        "broken": [null, {"latency <= 2 ms": 0.12}, ...],    broken constraint -> violation
        "reason": [null, "prune: ...", ...],
        "repeat_of": [null, ...], "variant_of": [null, ...], "version": [1, ...]
      },
      "chances": {"3": 0.92, ...},     probability to be on the front; absent: below 0.005
      "front": {
        "members": [0, 3, 8],
        "headings": ["accuracy", "on test", "vs base", "latency", "faster"],
        "rows": [{"trial": 3, "plan": "...", "cells": [["97.80 %", "96.1-98.9 %"], ...],
                  "chance": "97 %", "marks": ["knee"], "baseline": false, "close": false}, ...],
        "answer": "Trial 3 is 2.7x faster ...", "notes": ["..."], "final": 6 or null,
        "reasons": ["Of 12 trials, none is feasible:", ...]  empty if a trial is feasible
      },
      "growth": {"trial": [0, 3], "time": [...], "hypervolume": [0.31, null], "members": [1, 2]},
      "workers": [{"id": "1a2b", "host": "box", "pid": 312, "trial": 13, "stage": "finetune",
                   "epoch": 3, "epochs": 10, "loss": 0.41, "score": 0.93, "started": ...,
                   "updated": ..., "curve": {"epoch": [...], "loss": [...], "score": [...]}}, ...],
      "run": null or {             the last run that the page started
        "command": "paretune run ...", "state": "waiting" | "running" | "ended",
        "code": null or 0, "lines": ["the last lines of its output", ...]},
      "end_reason": "all 50 trials are done" or null,
      "notes": ["..."]
    }

Values are in the axis' unit; `format_value` gives the texts of `front`. A row of a trial that was
measured again in the final session has its final values, as in `paretune front`.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from paretune.search.serving.trial_rows import OPEN, TrialRow
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import Axis, FrontPoint, StudyRecord
from paretune.search.study.units import format_chance, shown_unit
from paretune.search.views.front_columns import cells_of, headings_of, visible_columns
from paretune.search.views.front_table import FrontInfo, FrontRow
from paretune.search.views.front_text import (
    change_notes,
    mark_text,
    not_confirmed_text,
    notes_of,
)
from paretune.search.views.goals import goals_info
from paretune.search.views.headline import answer_text

SMALLEST_CHANCE = 0.005
"""Smallest front probability that is sent."""

RECENT = 20
"""Trials whose pace gives the time left."""


def trials_json(rows: Sequence[TrialRow], axes: Sequence[Axis]) -> dict[str, Any]:
    """Returns the trials as columns."""
    names = [axis.name for axis in axes]
    return {
        "number": [row.number for row in rows],
        "state": [row.state for row in rows],
        "started": [round(row.started, 1) for row in rows],
        "seconds": [
            None if row.finished is None else round(row.finished - row.started, 1) for row in rows
        ],
        "plan": [row.plan for row in rows],
        "values": {name: [short(row.values.get(name)) for row in rows] for name in names},
        "low": {name: [short(row.low.get(name)) for row in rows] for name in names},
        "high": {name: [short(row.high.get(name)) for row in rows] for name in names},
        "broken": [
            row.broken and {text: short(value) for text, value in row.broken.items()}
            for row in rows
        ],
        "reason": [row.reason for row in rows],
        "repeat_of": [row.repeat_of for row in rows],
        "variant_of": [row.variant_of for row in rows],
        "version": [row.version for row in rows],
    }


def axes_json(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Returns the objectives."""
    return [
        {
            "name": a.name,
            "unit": shown_unit(a.unit, a.name),
            "better": a.better,
            "score": a.is_score,
        }
        for a in axes
    ]


def constraints_json(record: StudyRecord, key: str = "constraints") -> list[dict[str, Any]]:
    """Returns the constraints or goals with their bounds; a bound needs its quantity measured.

    Args:
        record: The study; the baseline gives units and relative bounds.
        key: "constraints" or "goals", as in the study file.
    """
    first = record.baseline or next((t for t in record.trials if t.state == "complete"), None)
    measured = first.measurements if first else {}
    units = {name: m.unit for name, m in measured.items()}
    reached = (
        {goal.text: list(goal.trials) for goal in goals_info(record)} if key == "goals" else {}
    )
    entries = []
    for text in record.source.get(key) or ():
        entry: dict[str, Any] = {"text": text, "quantity": None, "unit": "", "bound": None}
        try:
            constraint = read_constraint(text, units, record.targets)
        except (KeyError, ValueError):  # nothing has this quantity yet
            entry |= {"upper": None, "relative": None}
        else:
            relative = constraint.bound.relative
            if not relative or record.baseline is not None:
                value = measured[constraint.quantity].value
                entry["bound"] = short(constraint.bound.resolve(value))
            entry |= {
                "quantity": constraint.quantity,
                "unit": shown_unit(units[constraint.quantity], constraint.quantity),
                "upper": constraint.upper,
                "relative": relative,
            }
        entries.append({**entry, **({"reached": reached.get(text, [])} if key == "goals" else {})})
    return entries


def front_json(record: StudyRecord, info: FrontInfo, reasons: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the front table as `paretune front` prints it.

    Args:
        record: The study, as `StudyReader.front_record` reads it, with its final front.
        info: The table of that record.
        reasons: Why no trial is feasible, in lines; empty if one is.
    """
    seeds = bool(info.seeds)
    visible = visible_columns(info.rows, info.axes, seeds)
    headings = list(compress(headings_of(info.axes, seeds), visible))
    shown = (*info.rows, *info.not_confirmed, *info.close)
    rows = [_front_row(row, info, visible) for row in shown]
    texts = [text for row in rows for text, _ in row["cells"]]
    return {
        "members": sorted(record.members),
        "headings": headings,
        "rows": rows,
        "answer": answer_text(info).replace("->", "→"),
        "notes": [*notes_of(info), *change_notes(info, headings, texts)],
        "final": info.final,
        "reasons": list(reasons),
    }


def _front_row(row: FrontRow, info: FrontInfo, visible: Sequence[bool]) -> dict[str, Any]:
    cells = cells_of(row, info.axes, bool(info.seeds))
    left = [not_confirmed_text(row, info)] if row in info.not_confirmed else []
    return {
        "trial": row.trial,
        "plan": row.plan,
        "cells": [list(cell) for cell in compress(cells, visible)],
        "chance": format_chance(row.chance),
        "marks": [*left, *(mark_text(row, mark) for mark in row.marks)],
        "baseline": row.trial == 0,
        "close": row.trial != 0 and not row.on_front,
    }


def chances_json(chances: Mapping[int, float]) -> dict[str, float]:
    """Returns trial -> probability to be on the front, without the smallest ones."""
    return {str(n): round(p, 3) for n, p in chances.items() if p >= SMALLEST_CHANCE}


def growth_json(growth: Sequence[FrontPoint]) -> dict[str, Any]:
    """Returns the front's growth as columns; `members` counts them."""
    return {
        "trial": [point.trial for point in growth],
        "time": [round(point.time, 1) for point in growth],
        "hypervolume": [short(point.hypervolume) for point in growth],
        "members": [len(point.members) for point in growth],
    }


def counts_json(rows: Iterable[TrialRow]) -> dict[str, int]:
    """Counts the trials by state, without baseline, repeats and format variants."""
    counts = Counter(
        row.state for row in rows if row.number and row.repeat_of is None and row.variant_of is None
    )
    return dict(sorted(counts.items()))


def budget_json(
    rows: Sequence[TrialRow], limit: int | None, workers: int
) -> dict[str, float | None]:
    """Returns the budget and the time left at the pace of the last trials.

    Args:
        rows: All trials.
        limit: Number of trials that the study may have; None for no limit.
        workers: Number of processes that run trials now; the time left is unknown without any.
    """
    ended = [row for row in rows if _counts(row) and row.finished is not None]
    left = None if limit is None else max(limit - len(ended), 0)
    seconds = [row.finished - row.started for row in ended[-RECENT:] if row.finished is not None]
    pace = statistics.fmean(seconds) / workers if seconds and workers else None
    return {
        "trials": limit,
        "done": len(ended),
        "left": left,
        "seconds_left": None if pace is None or left is None else round(pace * left, 1),
    }


def _counts(row: TrialRow) -> bool:
    """Returns whether a trial counts towards the budget and has ended."""
    counts = row.number > 0 and row.repeat_of is None and row.variant_of is None
    return counts and row.state not in OPEN


def with_final_values(rows: Iterable[TrialRow], record: StudyRecord) -> dict[int, dict[str, Any]]:
    """Returns trial -> fields to replace, for trials with final values or means over seeds.

    Args:
        rows: Rows of any trials.
        record: The study with its final front.
    """
    by_number = {row.number: row for row in rows}
    names = [axis.name for axis in record.axes]
    changes = {}
    for trial in record.trials:
        if not (trial.searched or trial.single) or trial.number not in by_number:
            continue
        measured = {name: trial.measurements[name] for name in names if name in trial.measurements}
        changes[trial.number] = {
            "values": {name: trial.values[name] for name in names if name in trial.values},
            "low": {name: m.low for name, m in measured.items()},
            "high": {name: m.high for name, m in measured.items()},
            "broken": {text: v for text, v in trial.violations.items() if v > 0} or None,
        }
    return changes


def short(value: float | None) -> float | None:
    """Returns a number with six digits; None for NaN and infinity, which JSON cannot hold."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return float(f"{value:.6g}")
