"""What to do after a comparison, in words and as commands to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paretune.search.export.manifest import Manifest
from paretune.search.monitoring.drift import Drift
from paretune.search.monitoring.labels import Score
from paretune.search.monitoring.latency import Latency
from paretune.search.shell import command_text
from paretune.search.study.tables import RUNTIMES

PLACEHOLDER = Path("STUDY")
"""Stands for the study if it is not nearby."""


@dataclass(frozen=True)
class NextStep:
    """One thing to do.

    Attributes:
        why: The reason, a sentence.
        command: The command to type; empty if there is none.
    """

    why: str
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields."""
        return asdict(self)


def next_steps(
    manifest: Manifest,
    artifact: Mapping[str, Any],
    latency: Sequence[Latency],
    drift: Sequence[Drift],
    scores: Sequence[Score],
    log: Path,
    study: Path | None = None,
) -> list[NextStep]:
    """Returns what to do, the most important first; empty if all is as recorded.

    Args:
        manifest: Manifest of the export.
        artifact: The file's entry.
        latency: Durations by host and batch size.
        drift: One row for each statistic.
        scores: Scores on labels.
        log: The log.
        study: Study file or folder of the export; None looks for it nearby.
    """
    where = study or nearby_study(manifest) or PLACEHOLDER
    steps = [*_score_steps(scores), *_drift_steps(manifest, drift, scores)]
    steps += _latency_steps(artifact, latency, where)
    differs = any("off" in (row.level for row in rows) for rows in (drift, scores))
    if differs or any(row.level == "off" for row in latency):
        steps.append(_next_study(manifest, log, where, differs))
    return steps


def nearby_study(manifest: Manifest) -> Path | None:
    """Returns the study file, or folder, of an export: below this folder, or next to the export."""
    name = str(manifest.content.get("study") or "")
    if not name or Path(name).name != name:
        return None
    for folder in (Path(), Path("studies"), manifest.folder.parent):
        for candidate in (folder / f"{name}.yaml", folder / name):
            if candidate.is_file() or (candidate / "study.db").is_file():
                return candidate
    return None


def _score_steps(scores: Sequence[Score]) -> list[NextStep]:
    off = [score for score in scores if score.level == "off"]
    if not off:
        return []
    names = ", ".join(score.name for score in off)
    return [NextStep(f"The {names} on your labels is worse than recorded: train on newer data.")]


def _drift_steps(
    manifest: Manifest, drift: Sequence[Drift], scores: Sequence[Score]
) -> list[NextStep]:
    off = [row for row in drift if row.level == "off"]
    if not off:
        return []
    names = [row.name for row in off]
    steps = []
    if any(name.startswith("inputs.") for name in names):
        why = (
            "The inputs differ from the validation data: look at the preprocessing and the sensor."
        )
    elif names == ["outputs.class"]:
        why = "Inputs and confidence are as before, but the classes come in another mix."
    else:
        why = "The inputs look alike, but the outputs differ: look at what is in the examples."
    steps.append(NextStep(why, command_text("verify", manifest.folder)))
    if not scores:
        why = "Drift alone does not say that the model is worse: label some newer examples."
        command = command_text("verify", manifest.folder, "--data", "FILE")
        steps.append(NextStep(why, command))
    return steps


def _latency_steps(
    artifact: Mapping[str, Any], latency: Sequence[Latency], study: Path
) -> list[NextStep]:
    command = retarget_command(artifact, study)
    for row in latency:
        if row.level == "off":
            why = (
                f"Calls on {row.host} take longer than in the study: measure the front again there."
            )
            return [NextStep(why, f"{command} --again")]
    others = [row for row in latency if row.reason.startswith("measured on another host")]
    if others:
        why = f"The study has no times of {others[0].host}: copy the study's folder there, and type"
        return [NextStep(why, command)]
    return []


def retarget_command(artifact: Mapping[str, Any], study: Path) -> str:
    """Returns the command that measures a study's front in the runtime of an exported file."""
    defaults = RUNTIMES.get(artifact["runtime"]).Params().model_dump()
    options: list[object] = []
    for key, value in artifact["options"].items():
        if key == "threads":
            options += ["--threads", value]
        elif value != defaults.get(key):
            options += ["--option", f"{key}={value}"]
    return command_text("retarget", study, "--runtime", artifact["runtime"], *options)


def _next_study(manifest: Manifest, log: Path, study: Path, needs_data: bool) -> NextStep:
    file = study.with_name(f"{study.stem}-next.yaml")
    options: list[object] = ["--data", "DATA"] if needs_data else []
    command = command_text(
        "monitor", manifest.folder, "--log", log, "--study", study, *options, "--next", file
    )
    if needs_data:
        why = "Write a study that goes on with newer data (DATA as in a study file):"
    else:
        why = "Write a study that goes on with a tighter bound on the latency:"
    return NextStep(why, command)
