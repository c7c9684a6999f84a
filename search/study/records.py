"""Read-only records of trials and of the study, as the database returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from paretune.objectives.base import Better, Measurement
from paretune.search.study.elastic_check import ElasticCheck
from paretune.search.study.seed_results import SeedResult
from paretune.search.study.version import StudyVersion

if TYPE_CHECKING:
    from numpy import ndarray

State = Literal["running", "paused", "complete", "infeasible", "stopped", "failed"]

STRUCTURE_OF = "structure_of_trial"
"""The condition of a reused timing: the number of the trial that was timed."""

RACING = "Racing"
"""The type in the reason of a trial that racing paused or stopped."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as it is stored.

    Attributes:
        number: Trial number; 0 is the baseline.
        state: "infeasible": the candidate cannot exist, or breaks a constraint before training;
            "stopped": racing ended its training early; "paused": racing holds it up for now;
            "failed": one of its stages raised an error.
        params: Parameter name -> value, of the parameters that exist in the branches taken.
        plan: The Plan as JSON.
        values: Objective name -> value on the validation part. A complete trial that breaks a
            constraint keeps its values and has a positive violation. A paused or stopped trial
            keeps its last values, if it has any; other trials have none.
        measurements: Name -> Measurement on the validation part (objectives, and parameters, MACs).
        test: Name -> Measurement on the test part (accuracy), for the baseline and the front.
        final: Name -> Measurement (latency) of the final session, for the baseline, the front, and
            trials within noise of the front.
        searched: Name -> Measurement of the search, of quantities that have a final measurement.
        seeds: Results of further trainings with other seeds; empty if there are none.
        single: Part -> name -> Measurement of the trial's own network, of quantities for which
            `measurements` or `test` has the mean over the seeds (`front.seed_means`).
        violations: Constraint text -> violation; a positive one is a broken constraint.
        reason: {"stage", "type", "text"} of a paused, stopped, infeasible or failed trial.
        started: Unix time.
        finished: Unix time, or None.
        seconds: Stage -> its seconds in this trial; 0 for a stage from the cache.
        cached: Stages that were taken from the cache.
        artifact: {"path", "runtime", "sha256", "bytes", "info"} or None; the path is relative to
            the study's folder. If there are several targets, it is the artifact of the first.
        artifacts: Target -> its artifact, in a study of several targets; else empty.
        repeat_of: Number of an earlier trial with the same plan, which gave the result; or None.
        variant_of: Number of the trial that trained the network which this one deploys in another
            number format; or None. A format variant does not count towards the number of trials.
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
    seeds: tuple[SeedResult, ...] = ()
    single: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
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
        """Whether it is complete, has the values of this version, and breaks no constraint."""
        return self.measured_now and all(v <= 0 for v in self.violations.values())

    @property
    def measured_now(self) -> bool:
        """Whether it is complete, and the present version of the study has its values.

        A complete trial of an earlier version has none if a quantity cannot be measured of it.
        """
        return self.state == "complete" and bool(self.values)

    @property
    def of_search(self) -> bool:
        """Whether it counts as a trial: it repeats no plan, and is no format variant."""
        return self.repeat_of is None and self.variant_of is None

    @property
    def held_by_racing(self) -> bool:
        """Whether racing paused or stopped it."""
        return self.reason is not None and self.reason["type"] == RACING


@dataclass(frozen=True)
class Result:
    """The result of a plan. Other attributes are those of TrialRecord.

    Attributes:
        measured: The measurements on the validation part.
        duration: Seconds of the whole trial.
    """

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

    def with_seconds(self, seconds: Mapping[str, float], duration: float) -> Result:
        """Returns the result with its seconds by stage, and in total."""
        return replace(self, seconds=seconds, duration=duration)

    def with_earlier(self, seconds: Mapping[str, float]) -> Result:
        """Returns the result with the seconds of earlier turns of the trial added, by stage."""
        names = [*seconds, *(name for name in self.seconds if name not in seconds)]
        sums = {name: seconds.get(name, 0.0) + self.seconds.get(name, 0.0) for name in names}
        return replace(self, seconds=sums)

    @property
    def feasible(self) -> bool:
        """Whether it is complete, has values, and breaks no constraint."""
        is_measured = self.state == "complete" and bool(self.values)
        return is_measured and all(v <= 0 for v in self.violations.values())


@dataclass(frozen=True)
class Trained:
    """A trial whose network is trained, and waits for its measurements.

    Attributes:
        seconds: Stage -> seconds that its training took here.
    """

    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Axis:
    """An objective as an axis of plots and a column of tables.

    Attributes:
        name: The quantity.
        unit: Its unit.
        better: Which direction is better.
        worst: A trial with this value or a worse one adds no hypervolume; None: from the baseline.
        scored: Whether it is a score of the study's task, such as rmse.
    """

    name: str
    unit: str
    better: Better
    worst: float | None = None
    scored: bool = False

    @property
    def is_score(self) -> bool:
        """Whether tables show its value on the test part, and its difference from the baseline.

        Any other quantity is shown with how many times better it is.
        """
        return self.scored or self.unit == "fraction"


@dataclass(frozen=True)
class FrontPoint:
    """The front after one trial.

    Attributes:
        trial: Number of that trial.
        time: Unix time.
        hypervolume: Hypervolume of the front; None if its reference is not known yet, as in a study
            of your own trainer without baseline and `worst`.
        members: Numbers of the trials on the front.
    """

    trial: int
    time: float
    hypervolume: float | None
    members: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TrialIntervals:
    """The intervals of feasible trials, without the rest of their records.

    Attributes:
        numbers: Trial numbers [N].
        low: Lower ends of the 95 % intervals of the objectives [N, M].
        high: Upper ends [N, M].
    """

    numbers: ndarray
    low: ndarray
    high: ndarray


@dataclass(frozen=True)
class SubnetScores:
    """Scores of subnets before their finetuning, beside the results of their trials.

    Attributes:
        subnets: Number of subnets with a score.
        seconds: Seconds that all scores took.
        examples: Number of training examples of each score.
        objective: The objective that is compared; empty if the study has no score.
        better: Which direction of the objective is better.
        losses: Loss [N] before finetuning, of the subnets of the complete trials.
        final: Values [N] of the objective in these trials.
        check: Whether the elastic training is of use; None before it is checked.
    """

    subnets: int
    seconds: float
    examples: int
    objective: str
    better: Better
    losses: tuple[float, ...]
    final: tuple[float, ...]
    check: ElasticCheck | None = None


@dataclass(frozen=True)
class StudyRecord:
    """A study as it is stored.

    Attributes:
        name: Study name.
        source: The study file as plain data.
        axes: The objectives, in order.
        trials: The trials in order of number; trial 0 is the baseline.
        growth: The front and its hypervolume after each trial that changed it, in order of time.
        trial_limit: Number of trials that the study may have, without the baseline; or None.
        info: Facts to show: host, versions, data set and sizes of its parts.
        final_members: Numbers of the trials on the final front (`front.final_front`); None if the
            front of the search is valid.
        counted: (trial_count, stopped) if `trials` is not complete; see these properties.
        other_intervals: Intervals of the feasible trials that `trials` lacks, if the front is
            uncertain.
        chances: Trial -> probability to be on the front by the search's measurements, at least
            `final_session.CHANCE`; None unless a run stored them after the last trial.
        rounds: The rounds of `paretune optimize` as JSON, in order; empty in any other study.
        versions: Its versions in order; empty if it never changed.
        subnet_scores: Scores of an elastic network's subnets; None without elastic training.
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
    rounds: tuple[Mapping[str, Any], ...] = ()
    versions: tuple[StudyVersion, ...] = ()
    subnet_scores: SubnetScores | None = None

    @property
    def trial_count(self) -> int:
        """Number of trials of the search, without repeats and format variants."""
        if self.counted is not None:
            return self.counted[0]
        return sum(trial.number > 0 and trial.of_search for trial in self.trials)

    @property
    def stopped(self) -> int:
        """Number of them that racing stopped or paused."""
        if self.counted is not None:
            return self.counted[1]
        held = ("paused", "stopped")
        return sum(trial.state in held and trial.of_search for trial in self.trials)

    @property
    def no_test(self) -> str | None:
        """Why the data has no test part; None if it has one."""
        text = self._data.get("no_test")
        return None if text is None else str(text)

    @property
    def data_notes(self) -> tuple[str, ...]:
        """Sentences about the origin of the data's parts, and examples that they share."""
        return tuple(map(str, self._data.get("notes") or ()))

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.info.get("data") or {}

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the study's targets, in order; empty in a study of one runtime."""
        return tuple(self.source.get("targets") or ())

    @property
    def baseline(self) -> TrialRecord | None:
        """Trial 0 if it is complete, else None."""
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
        """The trials on the front in order of number; the baseline may be one of them."""
        return tuple(trial for trial in self.trials if trial.number in self.members)


@dataclass(frozen=True)
class Counts:
    """The numbers that `paretune status` shows; search/views/status.py explains them."""

    states: Mapping[str, int]
    broken: int
    repeats: int
    variants: int
    stopped: int
    stage_seconds: float
    saved_seconds: float
    cache_bytes: int
    cache_stages: int
    dropped: int
    unmeasured: int = 0
