"""Compares the log of a deployed model with its export: latency, drift, and score on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from paretune.search.errors import UserError
from paretune.search.export.log_script import MONITORING, calls_for
from paretune.search.export.manifest import (
    DIGEST,
    MANIFEST,
    Manifest,
    content_digest,
    read_manifest,
)
from paretune.search.export.monitoring_reference import VERSION, probe_means
from paretune.search.export.probe import read_probe
from paretune.search.monitoring import drift
from paretune.search.monitoring.call_records import CallRecords, read_calls
from paretune.search.monitoring.drift import Drift, drifts
from paretune.search.monitoring.labels import Score, scores
from paretune.search.monitoring.latency import SLOWER, Latency, latencies, recorded_latency
from paretune.search.monitoring.next_steps import NextStep, next_steps

SCHEMA = 1

NEAR = 1e-3
"""Largest difference of the probe's statistics from the recorded ones, relative."""


@dataclass(frozen=True)
class MonitorResult:
    """The comparison of a log with its export.

    Attributes:
        manifest: Manifest of the export.
        records: The calls.
        latency: Durations by host and batch size.
        drift: One row for each statistic.
        scores: Scores on labels; empty without labels.
        notes: What a reader must know.
        steps: What to do next.
    """

    manifest: Manifest
    records: CallRecords
    latency: Sequence[Latency]
    drift: Sequence[Drift]
    scores: Sequence[Score]
    notes: Sequence[str]
    steps: Sequence[NextStep]

    @property
    def alarms(self) -> list[str]:
        """What is off: "latency", names of statistics and of scores."""
        slow = ["latency"] if any(row.level == "off" for row in self.latency) else []
        drifted = [row.name for row in self.drift if row.level == "off"]
        return [*slow, *drifted, *(row.name for row in self.scores if row.level == "off")]

    @property
    def ok(self) -> bool:
        """Whether nothing is off."""
        return not self.alarms

    def period(self) -> tuple[str, str]:
        """Returns the times of the earliest and the latest call."""
        ends = (float(self.records.time.min()), float(self.records.time.max()))
        first, last = (_time_text(end) for end in ends)
        return first, last

    def to_json(self) -> dict[str, Any]:
        """Returns the result as JSON."""
        first, last = self.period()
        content, records = self.manifest.content, self.records
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "alarms": self.alarms,
            "export": {
                "folder": str(self.manifest.folder),
                "study": content.get("study"),
                "trial": content.get("trial"),
                "file": records.artifact["file"],
                "sha256": records.artifact["sha256"],
            },
            "log": {
                "files": [str(file) for file in records.files],
                "calls": len(records.seconds),
                "examples": records.examples,
                "processes": len(set(records.process)),
                "first": first,
                "last": last,
            },
            "thresholds": {
                "alpha": drift.ALPHA,
                "distance": drift.LEAST_DISTANCE,
                "nan_share": drift.LEAST_NAN,
                "slower": SLOWER,
            },
            "latency": [row.to_json() for row in self.latency],
            "drift": [row.to_json() for row in self.drift],
            "scores": [row.to_json() for row in self.scores],
            "notes": list(self.notes),
            "next": [step.to_json() for step in self.steps],
        }


def _time_text(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"


@dataclass(frozen=True)
class MonitorRequest:
    """What the user asks for.

    Attributes:
        folder: Folder that `paretune export` wrote.
        log: The log.
        labels: Labels of the examples; None for no score.
        last: Number of examples to compare, the latest ones; None takes all.
        study: Study file or folder that the export came from; None looks for it nearby.
    """

    folder: Path
    log: Path
    labels: Path | None = None
    last: int | None = None
    study: Path | None = None


def monitor(request: MonitorRequest) -> MonitorResult:
    """Compares a log with the manifest of its export. Nothing is run, and no model is loaded.

    Raises:
        UserError: The folder is no export, has no reference, or was changed; the log is empty or is
            that of another model; or the labels do not fit.
    """
    manifest = read_manifest(request.folder)
    monitoring = _reference(manifest)
    records = read_calls(request.log, manifest, request.last)
    content, artifact = manifest.content, records.artifact
    calls = calls_for(artifact, content)
    assert calls is not None, "the reference was there"
    reference = monitoring["reference"][artifact["file"]]
    notes = [*records.notes, *_version_notes(records), *_probe_notes(manifest, records)]
    rows = drifts(reference["validation"], records.statistics, class_names(content, calls))
    notes += _missing_notes(reference["validation"], records.statistics)
    times = latencies(records, recorded_latency(content, artifact))
    scored = scores(request.labels, records, content, calls) if request.labels else []
    steps = next_steps(manifest, artifact, times, rows, scored, request.log, request.study)
    return MonitorResult(manifest, records, times, rows, scored, notes, steps)


def _reference(manifest: Manifest) -> Mapping[str, Any]:
    """Returns the manifest's entry for monitoring.

    Raises:
        UserError: There is none, or the manifest was changed.
    """
    file = manifest.folder / MANIFEST
    monitoring = manifest.content.get(MONITORING)
    again = "export the trial again: paretune export STUDY --pick TRIAL -o DIR"
    if not isinstance(monitoring, Mapping):
        raise UserError(
            f"{file} has no reference that a log is compared with; an older Paretune wrote it; "
            f"{again}"
        )
    if monitoring.get("version") != VERSION:
        raise UserError(
            f"{file}: its reference has version {monitoring.get('version')}, and this Paretune "
            f"reads version {VERSION}; {again}"
        )
    if manifest.content.get(DIGEST) != content_digest(manifest.content):
        raise UserError(
            f"{file} was changed, so its reference is not to be trusted; see paretune verify "
            f"{manifest.folder}; {again}"
        )
    return monitoring


def class_names(content: Mapping[str, Any], calls: Mapping[str, Any]) -> Sequence[str]:
    """Returns the names of the classes; none if only a user's task knows them."""
    names = calls["names"] or content["preprocessing"].get("class_names") or []
    return [str(name) for name in names]


def _version_notes(records: CallRecords) -> list[str]:
    """Returns which packages differ from those that the file was exported with."""
    packages = records.artifact.get("packages", {})
    notes: dict[str, None] = {}
    for header in records.headers.values():
        for name, exported in packages.items():
            used = header["versions"].get(name)
            if used is not None and used != exported:
                notes[f"it runs with {name} {used}; it was exported with {exported}"] = None
    return list(notes)


def _probe_notes(manifest: Manifest, records: CallRecords) -> list[str]:
    """Returns a note if this Paretune sums up the probe in another way than the export did."""
    artifact, content = records.artifact, manifest.content
    try:
        probe = read_probe(manifest.folder, content, artifact["file"])
    except (OSError, KeyError, ValueError):
        return ["probe.npz is missing or damaged; see paretune verify"]
    means = probe_means(calls_for(artifact, content), probe.inputs, probe.outputs[artifact["file"]])
    recorded = content[MONITORING]["reference"][artifact["file"]]["probe"]
    apart = [name for name, value in recorded.items() if not _near(value, means.get(name))]
    changed = [name for name in apart if not name.startswith("outputs.summary.")]
    return (
        [f"the probe gives other statistics than when it was exported: {changed[0]}"]
        if changed
        else []
    )


def _near(value: float | None, other: float | None) -> bool:
    if value is None or other is None:
        return value is other
    return bool(np.isclose(value, other, rtol=NEAR, atol=NEAR))


def _missing_notes(reference: Mapping[str, Any], statistics: Mapping[str, Any]) -> list[str]:
    """Returns which statistics were not compared, because one side lacks them."""
    absent = [name for name in reference if name not in statistics]
    further = [name for name in statistics if name not in reference]
    notes = []
    if absent and all(name.startswith("inputs.") for name in absent):
        notes.append("the log has no statistics of the inputs")
    elif absent:
        notes.append(f"not in the log: {', '.join(absent)}")
    if further:
        notes.append(f"not in the reference: {', '.join(further)}")
    return notes
