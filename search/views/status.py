"""The progress of a study: `paretune status`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.database.worker_rows import PAUSE, RUN, STOP
from paretune.search.front.seed_outcome import SeedOutcome, seed_outcome
from paretune.search.study.records import Counts, StudyRecord
from paretune.search.study.units import format_value
from paretune.search.study.version import StudyVersion, versions_json
from paretune.search.views.seed_text import status_text
from paretune.search.views.subnet_agreement import SubnetAgreement, subnet_agreement
from paretune.search.views.words import count_text

HELD = {
    PAUSE: "paused by the user: workers hold after their current stage or epoch",
    STOP: "stopped by the user: workers leave after their current stage",
}
"""What the user asks of the workers -> line of `paretune status`."""


@dataclass(frozen=True)
class StatusInfo:
    """The fields of `paretune status`.

    Attributes:
        study: Study name.
        trial_limit: Number of trials that the study asks for, without the baseline; None if it
            sets no number.
        done: Number of ended trials, without the baseline, repeated plans and format variants.
        states: State -> number of trials, counted like `done`.
        broken: Number of complete trials that break a constraint, counted like `done`.
        repeats: Number of trials that repeat the plan of another one.
        variants: Number of format variants.
        stopped: Number of trials that racing stopped.
        front: Trial numbers of the front.
        hypervolume: Hypervolume of the front, as a share of the reference box.
        stage_seconds: Seconds spent on stages, and on trainings that racing paused or stopped.
        saved_seconds: Seconds that the stages taken from the cache would have cost.
        cache_bytes: Size of the stage cache.
        cache_stages: Number of files in the stage cache.
        dropped: Number of stages dropped to keep the limit of the cache.
        end_reason: Why the last run ended, or None.
        plans: Number of plans of a finite space that a run tries all; None for other spaces.
        versions: The versions of the study; empty if it never changed.
        unmeasured: Complete trials of which the present version lacks a measurement.
        wanted: What the user asks of the workers: "run", "pause" or "stop".
        workers: The living workers: "id", "host", "pid", "trial", "stage", "epoch", "epochs"; the
            last four are None if the worker does not tell.
        no_test: Why the data has no test part; None if it has one.
        subnets: Scores of an elastic network's subnets; None without elastic training.
        seeds: What trainings with other seeds say; None in a study without repeats.
    """

    study: str
    trial_limit: int | None
    done: int
    states: Mapping[str, int]
    broken: int
    repeats: int
    variants: int
    stopped: int
    front: tuple[int, ...]
    hypervolume: float | None
    stage_seconds: float
    saved_seconds: float
    cache_bytes: int
    cache_stages: int
    dropped: int
    end_reason: str | None
    no_test: str | None = None
    plans: int | None = None
    versions: tuple[StudyVersion, ...] = ()
    unmeasured: int = 0
    wanted: str = RUN
    workers: tuple[Mapping[str, Any], ...] = ()
    subnets: SubnetAgreement | None = None
    seeds: SeedOutcome | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        changed = [
            *("versions", "unmeasured"),
            *(() if self.subnets else ("subnets",)),
            *(() if self.seeds else ("seeds",)),
        ]
        fields = {name: value for name, value in asdict(self).items() if name not in changed}
        if not self.versions:
            return fields
        return {**fields, "unmeasured": self.unmeasured, **versions_json(self.versions)}

    def text(self) -> str:
        """Returns the lines for a terminal."""
        states = ", ".join(self._state_text(*entry) for entry in self.states.items())
        is_finite = self.plans is not None and self.plans <= (self.trial_limit or self.plans)
        goal = f" of {self.trial_limit}" if self.trial_limit and not is_finite else ""
        lines = [
            f"{self.study}: {self.done}{goal} trials done ({states or 'none'}"
            + (f", {self.repeats} repeated)" if self.repeats else ")")
            + (f", and {count_text(self.variants, 'format variant')}" if self.variants else ""),
            f"front: {count_text(len(self.front), 'trial')}"
            + (f", hypervolume {self.hypervolume:.4f}" if self.hypervolume is not None else ""),
            *([self._race_line()] if self.stopped or "paused" in self.states else []),
            f"training: {_minutes(self.stage_seconds)} spent, "
            f"{_minutes(self.saved_seconds)} saved by the stage cache",
        ]
        if self.cache_stages or self.dropped:
            lines.append(
                f"stage cache: {format_value(self.cache_bytes, 'bytes')} in "
                f"{self.cache_stages} files"
                + (f", {self.dropped} stages dropped to keep its limit" if self.dropped else "")
            )
        if self.subnets:
            lines.append(f"elastic: {self.subnets.text().rstrip('.')}")
        if self.seeds:
            lines.append(status_text(self.seeds))
        if self.workers and self.wanted != RUN:
            lines.append(HELD[self.wanted])
        lines += [_worker_text(worker) for worker in self.workers]
        if self.end_reason:
            lines.append(f"last run: {self.end_reason}")
        if self.no_test:
            lines.append(self.no_test)
        if self.versions and self.unmeasured:
            trials = count_text(self.unmeasured, "complete trial")
            lines.append(f"{trials} not measured for the present version: not on the front")
        lines += [version.line for version in self.versions]
        return "\n".join(lines)

    def _state_text(self, state: str, count: int) -> str:
        """Returns `5 complete (2 break a constraint)`."""
        if state == "running" and not self.workers:
            return f"{count} interrupted"  # the next run goes on with it
        if state != "complete" or not self.broken:
            return f"{count} {state}"
        verb = "breaks" if self.broken == 1 else "break"
        return f"{count} {state} ({self.broken} {verb} a constraint)"

    def _race_line(self) -> str:
        return (
            f"racing: {self.states.get('complete', 0)} trained to the end, "
            f"{self.stopped} stopped early, {self.states.get('paused', 0)} paused"
        )


def status_info(
    record: StudyRecord,
    counts: Counts,
    workers: Sequence[Mapping[str, Any]] = (),
    wanted: str = RUN,
) -> StatusInfo:
    """Returns the progress of a study; pure.

    Args:
        record: The study with its final front; of its trials only the front is needed.
        counts: Counts of all its trials and stages.
        workers: Its living workers, as `StudyReader.workers` returns them.
        wanted: What the user asks of them.
    """
    last = record.growth[-1] if record.growth else None
    return StatusInfo(
        study=record.name,
        trial_limit=record.trial_limit,
        done=sum(n for state, n in counts.states.items() if state not in ("running", "paused")),
        front=tuple(sorted(record.members)),
        hypervolume=last.hypervolume if last else None,
        end_reason=record.info.get("end_reason"),
        plans=record.info.get("plans"),
        no_test=record.no_test,
        versions=record.versions,
        wanted=wanted,
        workers=tuple(map(_worker, workers)),
        subnets=subnet_agreement(record.subnet_scores),
        seeds=seed_outcome(record),
        **vars(counts),
    )


def _worker(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a worker and what it does."""
    activity = row["activity"] or {}
    names = ("trial", "stage", "epoch", "epochs")
    return {**{k: row[k] for k in ("id", "host", "pid")}, **{k: activity.get(k) for k in names}}


def _worker_text(worker: Mapping[str, Any]) -> str:
    """Returns `now: trial 12, finetune, epoch 3 of 10 (process 4711 on box)`."""
    trial, epoch = worker["trial"], worker["epoch"]
    of_all = f" of {worker['epochs']}" if worker["epochs"] else ""
    words = [
        "starting" if trial is None else f"trial {trial}" if trial else "the baseline",
        *([worker["stage"]] if worker["stage"] else []),
        *([f"epoch {epoch}{of_all}"] if epoch else []),
    ]
    return f"now: {', '.join(words)} (process {worker['pid']} on {worker['host']})"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
