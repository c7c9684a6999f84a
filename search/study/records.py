"""What the database gives back: read-only records of trials and of the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from paretune.objectives.base import Better, Measurement

if TYPE_CHECKING:
    from numpy import ndarray

State = Literal["running", "paused", "complete", "infeasible", "stopped", "failed"]

STRUCTURE_OF = "structure_of_trial"
"""The condition of a timing that was made of another trial's network of the same structure."""

RACING = "Racing"
"""The type in the reason of a trial that racing has held up, for a while or for good."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as it is stored.

    Attributes:
        number: 0 is the baseline.
        state: "infeasible": the candidate cannot exist, or breaks a constraint before training;
            "stopped": racing ended its training early; "paused": racing holds it up for now;
            "failed": one of its stages raised an error.
        params: Parameter name -> value, only those that exist in the branches taken.
        plan: The Plan as JSON.
        values: Objective name -> value on the validation part. A complete trial that breaks a
            constraint keeps its values and has a positive violation. One that racing has held up
            keeps the last it had, as far as they are known; others have none.
        measurements: Name -> Measurement on the validation part (objectives, and parameters, MACs).
        test: Name -> Measurement on the test part (accuracy), for the baseline and the front.
        final: Name -> Measurement (latency) of the session at the end of the run, for baseline,
            front and who is within noise of it.
        searched: Name -> the Measurement of the search, where a final one has replaced it.
        violations: Constraint text -> violation; positive is broken.
        reason: {"stage", "type", "text"} of a paused, stopped, infeasible or failed trial.
        started: Unix time.
        finished: Unix time, or None.
        seconds: Stage -> seconds it took in this trial; a stage taken from the cache is 0.
        cached: Stages that were taken from the cache.
        artifact: {"path", "runtime", "sha256", "bytes", "info"} or None; the path is relative to
            the study's folder. Of several targets the first's.
        artifacts: Target -> its artifact, in a study of several targets; else empty.
        repeat_of: Number of the trial that has the same plan and answered this one, or None.
        variant_of: Number of the trial whose trained network this one deploys in another number
            format, or None; it does not count among the trials that were asked for.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    plan: list[dict[str, Any]]
    values: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    test: Mapping[str, Measurement] = field(default_factory=dict)
    final: Mapping[str, Measurement] = field(default_factory=dict)
    searched: Mapping[str, Measurement] = field(default_factory=dict)
    violations: Mapping[str, float] = field(default_factory=dict)
    reason: Mapping[str, str] | None = None
    started: float = 0.0
    finished: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    artifact: Mapping[str, Any] | None = None
    repeat_of: int | None = None
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variant_of: int | None = None

    @property
    def feasible(self) -> bool:
        """Complete, and no constraint broken."""
        return self.state == "complete" and all(v <= 0 for v in self.violations.values())

    @property
    def raced(self) -> bool:
        """Held up by racing, for a while or for good."""
        return self.reason is not None and self.reason["type"] == RACING


@dataclass(frozen=True)
class Result:
    """What came of a plan; the fields are those of TrialRecord."""

    state: State
    values: Mapping[str, float] = field(default_factory=dict)
    violations: Mapping[str, float] = field(default_factory=dict)
    measured: tuple[Measurement, ...] = ()
    reason: Mapping[str, str] | None = None
    artifact: Mapping[str, Any] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    repeat_of: int | None = None
    duration: float = 0.0

    def after(self, seconds: Mapping[str, float], duration: float) -> Result:
        """The same with what it took: by stage, and in all."""
        return replace(self, seconds=seconds, duration=duration)

    def besides(self, spent: Mapping[str, float]) -> Result:
        """The same with the seconds that earlier turns of the trial took."""
        names = [*spent, *(name for name in self.seconds if name not in spent)]
        both = {name: spent.get(name, 0.0) + self.seconds.get(name, 0.0) for name in names}
        return replace(self, seconds=both)

    @property
    def feasible(self) -> bool:
        """Complete, and no constraint broken."""
        return self.state == "complete" and all(v <= 0 for v in self.violations.values())


@dataclass(frozen=True)
class Axis:
    """An objective as plots and tables need it."""

    name: str
    unit: str
    better: Better
    worst: float | None = None


@dataclass(frozen=True)
class FrontPoint:
    """The front at one moment: after which trial, when, how large, and who is on it.

    The hypervolume is None where nothing says yet what is worth nothing: a study of one's own
    trainer without baseline and `worst`.
    """

    trial: int
    time: float
    hypervolume: float | None
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TrialIntervals:
    """Feasible trials that are not read whole: only what makes the front uncertain.

    Attributes:
        numbers: Of the trials [N].
        low: Lower ends of the 95 % intervals of the objectives [N, M].
        high: Upper ends [N, M].
    """

    numbers: ndarray
    low: ndarray
    high: ndarray


@dataclass(frozen=True)
class StudyRecord:
    """A study as it is stored.

    Attributes:
        name: Of the study.
        source: The study file as plain data.
        axes: The objectives, in order.
        trials: By number; trial 0 is the baseline.
        growth: The front and its hypervolume each time it grew, in order of time.
        trial_limit: How many trials the study shall have besides the baseline, or None.
        info: Facts worth showing: host, versions, data set and sizes of its parts.
        final_members: Numbers of the front by the final numbers (`front.final_front`); None where
            the search's stand.
        counted: (begun, stopped), where not all trials are here; see the properties.
        other_intervals: Intervals of the feasible trials that are not here, where the front is
            uncertain.
        chances: Trial -> probability to be on the front by the search's numbers, where a run has
            kept them and there was no trial since; of those with `finals.CHANCE` at least.
    """

    name: str
    source: Mapping[str, Any]
    axes: tuple[Axis, ...]
    trials: tuple[TrialRecord, ...]
    growth: tuple[FrontPoint, ...] = ()
    trial_limit: int | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    final_members: frozenset[int] | None = None
    counted: tuple[int, int] | None = None
    other_intervals: TrialIntervals | None = None
    chances: Mapping[int, float] | None = None

    @property
    def begun(self) -> int:
        """How many trials of the search there are that repeat no other."""
        if self.counted is not None:
            return self.counted[0]
        return sum(trial.number > 0 and trial.repeat_of is None for trial in self.trials)

    @property
    def stopped(self) -> int:
        """How many of them racing has stopped or holds up."""
        if self.counted is not None:
            return self.counted[1]
        held = ("paused", "stopped")
        return sum(t.state in held and t.repeat_of is None for t in self.trials)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of its targets, in order; empty in a study of one runtime."""
        return tuple(self.source.get("targets") or ())

    @property
    def baseline(self) -> TrialRecord | None:
        """Trial 0 when it is complete."""
        first = self.trials[0] if self.trials else None
        return first if first and first.number == 0 and first.state == "complete" else None

    @cached_property
    def members(self) -> frozenset[int]:
        """Numbers of the trials on the front."""
        if self.final_members is not None:
            return self.final_members
        return frozenset(self.growth[-1].members if self.growth else ())

    @cached_property
    def front(self) -> tuple[TrialRecord, ...]:
        """The feasible non-dominated trials (baseline included when it is one), by number."""
        return tuple(trial for trial in self.trials if trial.number in self.members)


@dataclass(frozen=True)
class Counts:
    """The numbers of `paretune status`, which says what they mean (search/views/status.py)."""

    states: Mapping[str, int]
    repeats: int
    variants: int
    stopped: int
    stage_seconds: float
    saved_seconds: float
    cache_bytes: int
    cache_stages: int
    dropped: int
