"""One trial in full: `paretune show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from paretune.objectives.base import Measurement, json_of
from paretune.search.study.records import STRUCTURE_OF, TrialRecord
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.views.agreement_text import agreement_text
from paretune.search.views.loaded_weights import loaded_weights_of
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.plan_yaml import plan_lines
from paretune.search.views.portability_text import portability_text
from paretune.search.views.pruned_text import pruned_lines, subnet_lines
from paretune.search.views.seed_text import seed_lines
from paretune.search.views.shown_measurements import without_repeats
from paretune.search.views.states import state_text
from paretune.search.views.trial_comparison import comparison_lines

LAST = 5
"""Most reported steps that are shown; --json gives all."""


def trial_json(trial: TrialRecord, steps: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Returns everything that is stored of a trial, as JSON."""
    reported = [{key: row[key] for key in ("step", "values", "seconds")} for row in steps]
    fields = json_of(trial)
    del fields["single"]  # the measurements are those of its own network here
    if not trial.seeds:
        del fields["seeds"]
    return {**fields, "feasible": trial.feasible, "steps": reported}


def trial_text(
    trial: TrialRecord,
    steps: Sequence[Mapping[str, Any]] = (),
    no_test: str | None = None,
    baseline: TrialRecord | None = None,
    origin: str = "",
) -> str:
    """Returns a trial as lines for a terminal.

    Args:
        trial: The trial.
        steps: The steps that your own trainer reported; empty for the built-in stages.
        no_test: Why the study's data has no test part; None if it has one.
        baseline: Trial 0, to compare the trial with.
        origin: From `version_text`.
    """
    lines = [
        f"trial {trial.number}: {state_text(trial)}" + ("" if trial.number else " (the baseline)"),
        f"  {trial_plan_text(trial)}",
        f"  started {datetime.fromtimestamp(trial.started):%Y-%m-%d %H:%M:%S}"
        + (f", took {trial.finished - trial.started:.1f} s" if trial.finished else ""),
    ]
    if origin:
        lines.append(f"  {origin}")
    if trial.repeat_of is not None:
        lines.append(f"  same plan as trial {trial.repeat_of}: takes its result")
    if trial.reason:
        lines.append(f"  {_reason_text(trial.state, trial.reason)}")
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
            shown = without_repeats(measured).values()
            lines += [f"  {_measurement_text(m, width)}" for m in shown]
    lines += [no_test] if no_test else []
    lines += seed_lines(trial)
    compared = comparison_lines(trial, baseline)
    if compared:
        lines += ["compared with the baseline", *(f"  {line}" for line in compared)]
    if steps:
        lines.append("reported" + (f", the last {LAST} of {len(steps)}" * (len(steps) > LAST)))
        lines += [_step_text(row) for row in steps[-LAST:]]
    broken = {text: v for text, v in trial.violations.items() if v > 0}
    lines += [f"breaks {text} by {100 * v:.1f} %" for text, v in broken.items()]
    lines += ["plan", *(f"  {line}" for line in plan_lines(trial.plan))]
    if costs := [_cost_text(stage["kind"], trial) for stage in trial.plan]:
        lines.append(f"stages: {', '.join(costs)}")
    lines += subnet_lines(trial)
    lines += pruned_lines(trial)
    if weights := loaded_weights_of(trial):
        lines.append(f"checkpoint: {weights}")
    for target, artifact in trial.artifacts.items():
        note = artifact["info"].get("note")
        remark = f" ({note})" if note else ""
        lines.append(f"{target}: {artifact['path']}{remark}, sha256 {artifact['sha256']}")
        lines += _file_lines(artifact)
    if trial.artifact and not trial.artifacts:
        lines.append(f"artifact {trial.artifact['path']}, sha256 {trial.artifact['sha256']}")
        lines += _file_lines(trial.artifact)
    return "\n".join(lines)


def _file_lines(artifact: Mapping[str, Any]) -> list[str]:
    """Returns what is known of a deployed file: how far it is from its network, what runs it."""
    texts = (agreement_text(artifact), portability_text(artifact))
    return [f"  {text}" for text in texts if text]


def version_text(version: int | None, is_outside: bool) -> str:
    """Returns the version that a trial began under, in words; empty if the study never changed."""
    if version is None:
        return ""
    return f"of version {version} of the study" + (", outside the present space" * is_outside)


def _reason_text(state: str, reason: Mapping[str, Any]) -> str:
    """Returns why a trial ended, as `run` says it, and how often it was tried."""
    kind = f"{reason['type']}: " if state == "failed" else ""
    times = f" (tried {reason['attempts']} times)" if reason.get("attempts") else ""
    return f"{state} in {reason['stage']}: {kind}{reason['text']}{times}"


def _cost_text(kind: str, trial: TrialRecord) -> str:
    """Returns a stage with what it cost: `pretrain from the cache`, `prune 0.3 s`."""
    if kind in trial.cached:
        return f"{kind} from the cache"
    spent = trial.seconds.get(kind)
    return kind if spent is None else f"{kind} {spent:.1f} s"


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
    return f"{m.name:<{width}}{format_quantity(m.value, m)} {spread}{source}".rstrip() + missing
