"""How far a study is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.study.records import Counts, StudyRecord
from paretune.search.study.units import format_value


@dataclass(frozen=True)
class StatusInfo:
    """What `paretune status` shows.

    Attributes:
        study: Its name.
        trial_limit: Trials it shall have besides the baseline, or None.
        done: Finished trials that repeat no other, baseline not counted.
        states: State -> number of trials, baseline not counted.
        repeats: Trials answered from the database.
        variants: Trials besides, of networks that others had trained, in other number formats.
        stopped: Trials that racing has stopped early.
        front: Numbers of the front's members.
        hypervolume: Of the front, as a share of the reference box.
        stage_seconds: What the stages cost that were made, and the trainings that racing holds up
            or has stopped.
        saved_seconds: What the stages taken from the cache would have cost.
        cache_bytes: What the stage cache takes.
        cache_stages: Files in it.
        dropped: Stages that the cache's limit has cost.
        end_reason: Why the last run ended, or None.
    """

    study: str
    trial_limit: int | None
    done: int
    states: Mapping[str, int]
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

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON."""
        return asdict(self)

    def text(self) -> str:
        """Lines for people."""
        states = ", ".join(f"{count} {state}" for state, count in self.states.items())
        goal = f" of {self.trial_limit}" if self.trial_limit else ""
        lines = [
            f"{self.study}: {self.done}{goal} trials done ({states or 'none'}"
            + (f", {self.repeats} repeated)" if self.repeats else ")")
            + (f", and {self.variants} format variants" if self.variants else ""),
            f"front: {len(self.front)} trials"
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
        if self.end_reason:
            lines.append(f"last run: {self.end_reason}")
        return "\n".join(lines)

    def _race_line(self) -> str:
        waiting = self.states.get("paused", 0)
        return (
            f"racing: {self.states.get('complete', 0)} trained to the end, {self.stopped} stopped "
            f"early, {waiting} waiting to go on"
        )


def status_info(record: StudyRecord, counts: Counts) -> StatusInfo:
    """How far a study is; pure.

    Args:
        record: The study, with its final front; of its trials only the front matters.
        counts: Of all its trials and stages.
    """
    last = record.growth[-1] if record.growth else None
    return StatusInfo(
        study=record.name,
        trial_limit=record.trial_limit,
        done=sum(n for state, n in counts.states.items() if state not in ("running", "paused")),
        front=tuple(sorted(record.members)),
        hypervolume=last.hypervolume if last else None,
        end_reason=record.info.get("end_reason"),
        **vars(counts),
    )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
