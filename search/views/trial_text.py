"""One trial in full: `paretune show`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from paretune.objectives.base import Measurement, json_of
from paretune.search.study.records import STRUCTURE_OF, TrialRecord
from paretune.search.study.units import format_interval, format_value
from paretune.search.views.agreement_text import agreement_text
from paretune.search.views.loaded_weights import loaded_weights_of
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.pruned_text import pruned_lines
from paretune.search.views.trial_comparison import comparison_lines

LAST = 5
"""Most reported steps that are shown; --json gives all."""


def trial_json(trial: TrialRecord, steps: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Returns everything that is stored of a trial, as JSON."""
    reported = [{key: row[key] for key in ("step", "values", "seconds")} for row in steps]
    return {**json_of(trial), "feasible": trial.feasible, "steps": reported}


def trial_text(
    trial: TrialRecord,
    steps: Sequence[Mapping[str, Any]] = (),
    no_test: str | None = None,
    baseline: TrialRecord | None = None,
) -> str:
    """Returns a trial as lines for a terminal.

    Args:
        trial: The trial.
        steps: The steps that your own trainer reported; empty for the built-in stages.
        no_test: Why the study's data has no test part; None if it has one.
        baseline: Trial 0, to compare the trial with.
    """
    lines = [
        f"trial {trial.number}: {trial.state}" + ("" if trial.number else " (the baseline)"),
        f"  {trial_plan_text(trial)}",
        f"  started {datetime.fromtimestamp(trial.started):%Y-%m-%d %H:%M:%S}"
        + (f", took {trial.finished - trial.started:.1f} s" if trial.finished else ""),
    ]
    if trial.repeat_of is not None:
        lines.append(f"  same plan as trial {trial.repeat_of}: takes its result")
    if trial.reason:
        lines.append(f"  {trial.reason['stage']}: {trial.reason['type']}: {trial.reason['text']}")
        lines += [f"    {line}" for line in trial.reason.get("traceback", "").splitlines()]
    if trial.held_by_racing and trial.values:
        last = "  ".join(f"{name} {value:.4g}" for name, value in trial.values.items())
        lines.append(f"  values when racing ended or paused it: {last}")
    width = max(10, *map(len, (*trial.measurements, *trial.final, *trial.test)), 0) + 2
    for heading, measured in (
        ("validation", trial.measurements),
        ("final session", trial.final),
        ("test", trial.test),
    ):
        if measured:
            lines.append(heading)
            lines += [f"  {_measurement_text(m, width)}" for m in measured.values()]
    lines += [no_test] if no_test else []
    compared = comparison_lines(trial, baseline)
    if compared:
        lines += ["compared with the baseline", *(f"  {line}" for line in compared)]
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
        lines.append(f"  {stage['kind']}{cost}: {_flow(_set_only(stage['params']))}")
    lines += pruned_lines(trial)
    if weights := loaded_weights_of(trial):
        lines.append(f"checkpoint: {weights}")
    for target, artifact in trial.artifacts.items():
        note = artifact["info"].get("note")
        remark = f" ({note})" if note else ""
        lines.append(f"{target}: {artifact['path']}{remark}, sha256 {artifact['sha256']}")
        lines += [f"  {text}" for text in [agreement_text(artifact)] if text]
    if trial.artifact and not trial.artifacts:
        lines.append(f"artifact {trial.artifact['path']}, sha256 {trial.artifact['sha256']}")
        lines += [f"  {text}" for text in [agreement_text(trial.artifact)] if text]
    return "\n".join(lines)


def _step_text(row: Mapping[str, Any]) -> str:
    values = "  ".join(
        f"{name} {'not a number' if value is None else format(value, '.4g')}"
        for name, value in row["values"].items()
    )
    return f"  step {row['step']}, {row['seconds']:.1f} s: {values}"


def _measurement_text(m: Measurement, width: int) -> str:
    spread = format_interval(m)
    spread = f"({spread})" if spread[:1].isdigit() else spread
    source = f", {m.count} observations" if m.count > 1 else ""
    uncounted = ", ".join(m.conditions.get("without_rule") or ())
    missing = f"; not counted: {uncounted}" if uncounted else ""
    first = m.conditions.get(STRUCTURE_OF)
    source += f", from trial {first} (same structure)" if first is not None else ""
    return f"{m.name:<{width}}{format_value(m.value, m.unit)} {spread}{source}".rstrip() + missing


def _set_only(value: Any) -> Any:
    """Returns a value without the keys of its mappings that are not set."""
    match value:
        case Mapping():
            return {key: _set_only(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_set_only(item) for item in value]
        case _:
            return value


def _flow(value: Any) -> str:
    """Returns a value as in a study file, on one line: `{width: 0.25, steps: [1, 2]}`."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case bool() | None:
            return json.dumps(value)
        case _:
            return str(value)
