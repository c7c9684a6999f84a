"""What a tracker shows of a study and of a trial, independent of the tracker. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import digest
from paretune.search.views.plan_text import trial_plan_text

ON_FRONT = "on_front"
"""The tag of a trial on the front."""

MOST_TEXT = 500
"""Characters of a value that are sent as a parameter; MLflow refuses more than 6,000."""


@dataclass(frozen=True)
class EpochFacts:
    """The values of one epoch.

    Attributes:
        stage: The stage that was trained.
        epoch: Its number, from 1.
        values: Name -> value, such as `loss`.
        time: Unix time.
    """

    stage: str
    epoch: int
    values: Mapping[str, float]
    time: float


@dataclass(frozen=True)
class TrialFacts:
    """A trial as a tracker shows it.

    Attributes:
        number: Trial number; 0 is the baseline.
        name: Name of its run.
        state: State of the trial.
        params: Parameter -> value.
        metrics: Name -> value, of all measurements, ends of intervals and seconds of stages.
        tags: Further texts.
        epochs: What was trained in it.
        started: Unix time.
        finished: Unix time.
    """

    number: int
    name: str
    state: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    epochs: tuple[EpochFacts, ...]
    started: float
    finished: float

    @property
    def digest(self) -> str:
        """Digest of all that can change after the end of a trial, and whether it is on the front.

        The last part changes with each trial, so it is sent at the end of a run only.
        """
        tags = {name: text for name, text in self.tags.items() if name != ON_FRONT}
        changing = {"metrics": self.metrics, "tags": tags, "state": self.state}
        return f"{digest(changing)[:32]}/{self.tags[ON_FRONT]}"


@dataclass(frozen=True)
class StudyFacts:
    """A study as a tracker shows it.

    Attributes:
        key: Tells the study from all others, also from one of the same name.
        name: Name of the study.
        params: Key of the study file -> value.
        metrics: Name -> value.
        growth: (number of the trial, hypervolume of the front after it, Unix time), in order.
        tags: Further texts.
        started: Unix time.
        source: The study file as plain data.
    """

    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    growth: tuple[tuple[int, float, float], ...]
    tags: Mapping[str, str]
    started: float
    source: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Digest of everything that can change while the study grows."""
        return digest({"metrics": self.metrics, "tags": self.tags, "growth": len(self.growth)})


def study_facts(record: StudyRecord, created: float) -> StudyFacts:
    """Returns what a tracker shows of a study.

    Args:
        record: The study.
        created: Unix time at which it was created.
    """
    front = [trial.number for trial in record.front]
    growth = tuple(
        (point.trial, point.hypervolume, point.time)
        for point in record.growth
        if point.hypervolume is not None
    )
    metrics = {"trials": float(record.trial_count), "front_size": float(len(front))}
    if growth:
        metrics["hypervolume"] = growth[-1][1]
    versions = record.info.get("versions") or {}
    return StudyFacts(
        key=digest({"name": record.name, "created": created})[:16],
        name=record.name,
        params=_params(record.source),
        metrics=metrics,
        growth=growth,
        tags={
            "front": ", ".join(map(str, front)) or "none",
            "host": str(record.info.get("host") or ""),
            "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        },
        started=created,
        source=record.source,
    )


def trial_facts(
    trial: TrialRecord, record: StudyRecord, epochs: Sequence[Mapping[str, Any]]
) -> TrialFacts:
    """Returns what a tracker shows of a trial that has ended.

    Args:
        trial: The trial.
        record: The study, with its final front.
        epochs: Rows of the table of epochs.
    """
    reason = trial.reason or {}
    tags = {
        "plan": trial_plan_text(trial),
        "state": trial.state,
        "feasible": str(trial.feasible).lower(),
        ON_FRONT: str(trial.number in record.members).lower(),
    }
    if reason:
        tags["reason"] = f"{reason.get('stage', '')}: {reason.get('text', '')}"
    if trial.variant_of is not None:
        tags["variant_of"] = str(trial.variant_of)
    return TrialFacts(
        number=trial.number,
        name=f"trial {trial.number}" if trial.number else "baseline",
        state=trial.state,
        params={name: _text(value) for name, value in trial.params.items()},
        metrics=dict(_metrics(trial)),
        tags=tags,
        epochs=tuple(_epoch(row) for row in epochs),
        started=trial.started,
        finished=trial.finished or trial.started,
    )


def _metrics(trial: TrialRecord) -> Iterator[tuple[str, float]]:
    parts: dict[str, Mapping[str, Measurement]] = {
        "": {**trial.measurements, **trial.final},
        "test.": trial.test,
    }
    for prefix, measured in parts.items():
        for name, measurement in measured.items():
            key = prefix + name.replace("@", ".at.")  # neither tracker takes an @ in a name
            yield key, measurement.value
            if measurement.low != measurement.high:
                yield f"{key}.low", measurement.low
                yield f"{key}.high", measurement.high
    for stage, seconds in trial.seconds.items():
        yield f"seconds.{stage}", seconds


def _epoch(row: Mapping[str, Any]) -> EpochFacts:
    values = {name: float(value) for name, value in row["values"].items() if value is not None}
    return EpochFacts(row["stage"], row["epoch"], values, row["time"])


def _params(source: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Returns the study file as flat texts: `search.trials` -> `60`."""
    flat: dict[str, str] = {}
    for name, value in source.items():
        key = f"{path}{name}"
        if isinstance(value, Mapping) and value:
            flat.update(_params(value, f"{key}."))
        else:
            flat[key] = _text(value)
    return flat


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."
