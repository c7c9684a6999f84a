"""What the runner tells while it works. A reporter is anything that takes one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paretune.search.study.records import Axis, Result


@dataclass(frozen=True)
class RunStarted:
    """A run begins, or goes on: `done` trials of `trial_limit` are there already."""

    study: str
    axes: Sequence[Axis]
    trial_limit: int | None
    done: int
    seconds: float | None
    host: str


@dataclass(frozen=True)
class TrialStarted:
    """A trial begins; `again` when a killed worker had begun it, `called_up` when it waited."""

    trial: int
    params: Mapping[str, Any]
    stages: Sequence[str]
    again: bool = False
    called_up: bool = False


@dataclass(frozen=True)
class StageStarted:
    """A stage of a trial begins."""

    trial: int
    stage: str


@dataclass(frozen=True)
class EpochDone:
    """An epoch of a training stage is done."""

    trial: int
    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class StepDone:
    """The user's own trainer has reported a step."""

    trial: int
    stage: str
    step: int
    values: Mapping[str, float | None]
    seconds: float


@dataclass(frozen=True)
class StageDone:
    """A stage is done, or was taken from the cache."""

    trial: int
    stage: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class TrialEnded:
    """A trial is over; `front` are the numbers of the front's members now.

    A `sibling` deploys the trained network of that trial in another number format.
    """

    trial: int
    result: Result
    baseline: Mapping[str, float]
    done: int
    grew: bool
    front: Mapping[int, Mapping[str, float]]
    hypervolume: float | None
    variant_of: int | None = None


@dataclass(frozen=True)
class TrialPaused:
    """Racing holds a trial up; it may be called up later."""

    trial: int
    result: Result


@dataclass(frozen=True)
class Notice:
    """Something worth a line: a cache that cannot be written, a worker that waits."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """The run is over: why, and how many trials there are now."""

    reason: str
    done: int
    trial_limit: int | None


Event = (
    RunStarted
    | TrialStarted
    | StageStarted
    | EpochDone
    | StepDone
    | StageDone
    | TrialEnded
    | TrialPaused
    | Notice
    | RunEnded
)


class Reporter(Protocol):
    """Takes events."""

    def __call__(self, event: Event) -> None:
        """Shows, keeps or forwards an event."""
