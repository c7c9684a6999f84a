"""Events of a run. A reporter is any callable that takes one event."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from paretune.objectives.calm import Wait
from paretune.search.study.records import Axis, Result
from paretune.search.study.seed_results import SeedResult


@dataclass(frozen=True)
class RunStarted:
    """A run begins or continues; `done` of `trial_limit` trials are finished.

    `seconds`: the time budget, if there is one. `plans`: the number of plans of the space, if the
    run may try all of them.
    """

    study: str
    axes: Sequence[Axis]
    trial_limit: int | None
    done: int
    seconds: float | None
    host: str
    plans: int | None = None


@dataclass(frozen=True)
class TrialStarted:
    """A trial begins. `taken_over`: from a worker that died or left. `left`: it was stopped.

    `resumed`: after a pause by racing. `attempt`: more than 1 if the trial failed before.
    """

    trial: int
    params: Mapping[str, Any]
    stages: Sequence[str]
    taken_over: bool = False
    resumed: bool = False
    attempt: int = 1
    left: bool = False


@dataclass(frozen=True)
class StageStarted:
    """A stage of a trial begins."""

    trial: int
    stage: str


@dataclass(frozen=True)
class DeviceAwaited:
    """The trial waits for its device, and why; None: it goes on."""

    text: str | None


@dataclass(frozen=True)
class CalmAwaited:
    """A measurement waits for calm, once a second; None: the wait is over."""

    wait: Wait | None


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
    """The user's trainer has reported a step."""

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
    """A trial has ended; `front` holds the current front, trial number -> values.

    `grew`: whether the trial enlarged the front. `variant_of`: the trial that trained the network,
    if this one deploys it in another number format. `within_noise`: objectives whose difference
    from the baseline may be chance.
    """

    trial: int
    result: Result
    baseline: Mapping[str, float]
    done: int
    grew: bool
    front: Mapping[int, Mapping[str, float]]
    hypervolume: float | None
    variant_of: int | None = None
    within_noise: Collection[str] = ()


@dataclass(frozen=True)
class TrialPaused:
    """Racing has paused a trial; it may be resumed later."""

    trial: int
    result: Result


@dataclass(frozen=True)
class TrialTrained:
    """A worker that only trains has trained a trial; another one will measure it."""

    trial: int


@dataclass(frozen=True)
class RepeatEnded:
    """A trial was trained again with another seed.

    `first`: values of its first training. `done` of `total` such trainings are finished.
    """

    trial: int
    result: SeedResult
    first: Mapping[str, float]
    done: int
    total: int


@dataclass(frozen=True)
class Notice:
    """A message for the user, for example that the cache cannot be written."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """The run has ended; `done` trials are finished."""

    reason: str
    done: int
    trial_limit: int | None


Event = (
    RunStarted
    | TrialStarted
    | StageStarted
    | DeviceAwaited
    | CalmAwaited
    | EpochDone
    | StepDone
    | StageDone
    | TrialEnded
    | TrialPaused
    | TrialTrained
    | RepeatEnded
    | Notice
    | RunEnded
)


class Reporter(Protocol):
    """Receives events."""

    def __call__(self, event: Event, /) -> None:
        """Shows, stores or forwards an event."""
