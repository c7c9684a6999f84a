"""One trial in full."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.study.records import STRUCTURE_OF, TrialRecord
from paretune.search.study.units import format_interval, format_value
from paretune.search.views.plan_text import plan_text

LAST = 5
"""Reported steps that are shown; --json gives all."""


def trial_json(trial: TrialRecord, steps: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """All that is stored of a trial."""
    reported = [{key: row[key] for key in ("step", "values", "seconds")} for row in steps]
    return {**asdict(trial), "feasible": trial.feasible, "steps": reported}


def trial_text(trial: TrialRecord, steps: Sequence[Mapping[str, Any]] = ()) -> str:
    """A trial for people.

    Args:
        trial: The trial.
        steps: What its trainer reported, when it was the user's own.
    """
    lines = [
        f"trial {trial.number}: {trial.state}" + ("" if trial.number else " (the baseline)"),
        f"  {plan_text(trial.plan)}",
        f"  begun {datetime.fromtimestamp(trial.started):%Y-%m-%d %H:%M:%S}"
        + (f", {trial.finished - trial.started:.1f} s" if trial.finished else ""),
    ]
    if trial.repeats is not None:
        lines.append(f"  the same plan as trial {trial.repeats}, and answered from there")
    if trial.reason:
        lines.append(f"  {trial.reason['stage']}: {trial.reason['type']}: {trial.reason['text']}")
        lines += [f"    {line}" for line in trial.reason.get("traceback", "").splitlines()]
    if trial.raced and trial.values:
        last = "  ".join(f"{name} {value:.4g}" for name, value in trial.values.items())
        lines.append(f"  values when it was held up: {last}")
    for heading, found in (
        ("validation", trial.measurements),
        ("again at the end, beside the front", trial.final),
        ("test", trial.test),
    ):
        if found:
            lines.append(heading)
            width = max(10, *map(len, found)) + 2
            lines += [f"  {_measurement_text(m, width)}" for m in found.values()]
    if steps:
        lines.append("reported" + (f", the last {LAST} of {len(steps)}" * (len(steps) > LAST)))
        lines += [_step_text(row) for row in steps[-LAST:]]
    broken = {text: v for text, v in trial.violations.items() if v > 0}
    lines += [f"breaks {text} by {100 * v:.1f} %" for text, v in broken.items()]
    lines.append("plan")
    for stage in trial.plan:
        spent = trial.seconds.get(stage["kind"])
        cost = " (from the cache)" if stage["kind"] in trial.cached else ""
        cost = cost or (f" ({spent:.1f} s)" if spent is not None else "")
        lines.append(f"  {stage['kind']}{cost}: {json.dumps(_short(stage['params']))}")
    for target, artifact in trial.artifacts.items():
        note = artifact["info"].get("note")
        said = f" ({note})" if note else ""
        lines.append(f"{target}: {artifact['path']}{said}, sha256 {artifact['sha256']}")
    if trial.artifact and not trial.artifacts:
        lines.append(f"artifact {trial.artifact['path']}, sha256 {trial.artifact['sha256']}")
    return "\n".join(lines)


def _step_text(row: Mapping[str, Any]) -> str:
    values = "  ".join(
        f"{name} {'no number' if value is None else format(value, '.4g')}"
        for name, value in row["values"].items()
    )
    return f"  step {row['step']}, {row['seconds']:.1f} s: {values}"


def _measurement_text(m: Measurement, width: int) -> str:
    spread = format_interval(m)
    counted = f", {m.count} observations" if m.count > 1 else ""
    unknown = ", ".join(m.conditions.get("without_rule") or ())
    missed = f"; not counted: {unknown}" if unknown else ""
    first = m.conditions.get(STRUCTURE_OF)
    counted += f", as trial {first} of this structure" if first is not None else ""
    return f"{m.name:<{width}}{format_value(m.value, m.unit)} {spread}{counted}".rstrip() + missed


def _short(params: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not set."""
    return {key: value for key, value in params.items() if value is not None}
