"""One trial as the page's panel shows it, as JSON.

{
"number": 3, "state": "complete", "repeat_of": null,
"plan_text": "simple_cnn width 0.5 ...", "plan_lines": [YAML], "lines": [as `paretune show`],
"numbers": [{"name": "accuracy", "part": "validation", "value": 0.97, "unit": "fraction",
"low": 0.96, "high": 0.98, "text": "97.00 %", "interval": "96.0-98.0 %",
"difference": "≈-0.2 ±0.4", "noise": "McNemar p = 0.30: within noise"}, ...],
"attribution": [{"technique": "pruning", "text": "pruned 45 %", "source": "measured",
"without": 2, "from": "estimated: ...",
"effects": [{"objective": "latency", "text": "2.1x faster", "interval": "",
"better": true, "beyond_noise": true, "noise": ""}, ...]}, ...],
"curves": [{"stage": "finetune", "epoch": [1, 2], "loss": [...], "score": [...]}, ...],
"files": [{"name": "onnxruntime", "target": null, "path": "artifacts/...", "bytes": 61234}]
}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.search.front.changes import Change, change
from paretune.search.serving.state import short
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.views.change_text import difference_text, evidence_text, times_text
from paretune.search.views.contribution_text import contributions_json
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.plan_yaml import plan_lines
from paretune.search.views.shown_measurements import without_repeats

if TYPE_CHECKING:
    from paretune.search.database.rows import Rows
    from paretune.search.interface.reading import TrialView

CLOSE_SECONDS, CLOSE_SHARE = 0.5, 0.05
"""A stage of a trial and a learning curve belong together if their seconds differ by less."""


def trial_detail(view: TrialView, curves: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Returns everything that the panel shows of a trial."""
    trial = view.trial
    steps = _steps_curve(view.steps)
    return {
        "number": trial.number,
        "state": trial.state,
        "repeat_of": trial.repeat_of,
        "plan_text": trial_plan_text(trial),
        "plan_lines": plan_lines(trial.plan),
        "lines": view.text().splitlines(),
        "numbers": list(_numbers(trial, view.baseline)),
        "attribution": contributions_json(view.contributions, view.axes),
        "curves": [*curves, *steps],
        "files": list(_files(trial)),
    }


def _numbers(trial: TrialRecord, baseline: TrialRecord | None) -> Iterator[dict[str, Any]]:
    parts = (
        ("validation", {**trial.measurements, **trial.final}, "measurements"),
        ("test", dict(trial.test), "test"),
    )
    for part, measured, field in parts:
        base = dict(getattr(baseline, field)) if baseline else {}
        if part == "validation" and baseline and trial.final:
            base |= baseline.final
        for name, m in without_repeats(measured).items():
            against = base.get(name) if trial.number else None
            yield {
                "name": name,
                "part": part,
                "value": short(m.value),
                "unit": m.unit,
                "low": short(m.low),
                "high": short(m.high),
                "text": format_quantity(m.value, m),
                "interval": format_interval(m),
                **_difference(name, m, against, part),
            }


def _difference(
    name: str, new: Measurement, old: Measurement | None, part: str
) -> dict[str, str | None]:
    if old is None:
        return {"difference": None, "noise": None}
    against = change(new, old, part)
    axis = Axis(name, new.unit, new.better, scored=not against.relative)
    return {"difference": _change_text(against, axis), "noise": evidence_text(against) or None}


def _change_text(against: Change, axis: Axis) -> str:
    """Returns a difference in words: in points for a fraction, else how many times better."""
    if against.exact and against.value == (1.0 if against.relative else 0.0):
        return "same"
    if axis.unit == "fraction" or not against.relative:
        return difference_text(against, axis)
    return times_text(against.value, axis) if against.value > 0 else ""


def _files(trial: TrialRecord) -> Iterator[dict[str, Any]]:
    stored: list[tuple[str | None, Mapping[str, Any]]] = list(trial.artifacts.items())
    if trial.artifact and not stored:
        stored = [(None, trial.artifact)]
    for target, artifact in stored:
        yield {
            "name": target or artifact["runtime"],
            "target": target,
            "path": artifact["path"],
            "bytes": artifact["bytes"],
        }


# -- learning curves -------------------------------------------------------------------------------


def trial_curves(rows: Rows, trial: TrialRecord) -> list[dict[str, Any]]:
    """Returns the learning curves of the stages that a trial trained itself.

    The database keeps a curve under the key of its stage, not of its trial. A stage is the trial's
    if it ended while the trial ran and took as long. If several did, none is shown.
    """
    if trial.finished is None:
        return []
    stages = rows.plain(
        "SELECT key, kind, seconds FROM paretune_stages WHERE created >= "
        f"{trial.started!r} AND created <= {trial.finished!r}"
    )
    curves = []
    for kind, seconds in trial.seconds.items():
        keys = [k for k, other, took in stages if other == kind and _is_close(took, seconds)]
        if kind in trial.cached or len(keys) != 1:
            continue
        points = rows.plain(
            "SELECT epoch, loss, accuracy FROM paretune_curves WHERE stage_key = "
            f"'{keys[0]}' ORDER BY epoch"
        )
        curves += _curve(kind, points)
    return curves


def _is_close(took: float, seconds: float) -> bool:
    return abs(took - seconds) <= CLOSE_SECONDS + CLOSE_SHARE * seconds


def _steps_curve(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the steps that the user's own trainer reported, as a curve."""
    points = []
    for row in steps:
        values = row["values"]
        score = next((value for name, value in values.items() if name != "loss"), None)
        points.append((row["step"], values.get("loss"), score))
    return _curve("evaluate", points)


def _curve(stage: str, points: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    if not points:
        return []
    return [
        {
            "stage": stage,
            "epoch": [point[0] for point in points],
            "loss": [short(point[1]) for point in points],
            "score": [short(point[2]) for point in points],
        }
    ]
