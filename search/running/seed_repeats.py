"""Trains the front again with other seeds, at the end of a run.

Each member of the front and a few trials near it are trained N - 1 times more
(`search: {repeats: N}`). A training goes through the stage cache under a key of its own, so a
killed run goes on with it. Workers share the trainings by leases. What they say about the front is
in `front/seed_means.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from paretune.search.database.leases import Leases
from paretune.search.front.final_front import NEAR_FRONT, front_chances
from paretune.search.front.same_network import FLOAT, same_network_trials
from paretune.search.front.seed_means import with_seed_noise
from paretune.search.interruption import stop_if_interrupted
from paretune.search.study.plan import Plan
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.seed_results import FIRST, SeedResult
from paretune.search.trial.events import (
    EpochDone,
    Event,
    Notice,
    RepeatEnded,
    Reporter,
    StageDone,
    StageStarted,
    StepDone,
    TrialStarted,
)
from paretune.search.views.words import count_text

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

MOST_NEAR = 4
"""Most trials near the front that are trained again."""

PATIENCE = 0.5
"""Seconds between two looks at the trainings of other workers."""


class SeedRepeats:
    """The trainings with other seeds of one study, as one worker runs them.

    Args:
        study: The open study.
        report: Receives the events.
        left: Returns the seconds that the run may still take.
        trains: Whether this worker trains; one that only measures says what is missing.
    """

    def __init__(
        self,
        study: OpenStudy,
        report: Reporter,
        left: Callable[[], float] = lambda: math.inf,
        trains: bool = True,
    ) -> None:
        self._study, self._report, self._left, self._trains = study, report, left, trains
        self._most = study.spec.repeats
        self._setting = study.repeat_setting() if self._most > 1 else ""
        self._leases = Leases(study.engine)
        self._tried: set[tuple[int, int]] = set()  # one that failed is not tried twice in a run

    def run(self, record: StudyRecord) -> None:
        """Trains the front and trials near it again, as far as that is not done and time is left.

        The front comes first. Its first new seed shows how large the noise is, and so which trials
        are near the front.

        Args:
            record: The study, by the measurements of the search.
        """
        self._study.repeats.keep_only(self._setting)
        members = [t for t in record.front if t.number and t.feasible]
        if not self._finished(self._jobs(members, 2)):
            return
        others = [*near_trials(record, self._noise(members)), *_compared_networks(record)]
        every = {trial.number: trial for trial in (*members, *others)}
        self._finished(self._jobs(list(every.values()), self._most))

    def _finished(self, jobs: _Jobs) -> bool:
        """Runs the trainings that are missing; returns False if some must wait."""
        total = len(jobs.trials) * (self._most - 1)
        self._study.store.add_info(repeats={"trainings": total})
        missing = jobs.missing(self.all_results())
        if missing and not self._trains:
            self._report(Notice(_untrained(len(missing), len(jobs.all))))
            return False
        if missing:
            networks, seeds = count_text(len(jobs.trials), "network"), jobs.most - 1
            text = f"the front and trials near it are trained again: {networks}"
            self._report(Notice(f"{text}, {count_text(seeds, 'other seed')}"))
        while missing := jobs.missing(self.all_results()):
            if not self._has_time():
                self._report(Notice(_out_of_time(len(missing), len(jobs.all))))
                return False
            if not any(self._ran(jobs, *job) for job in missing):
                self._study.control.between_stages()
                stop_if_interrupted()
                time.sleep(PATIENCE)  # other workers run them; one of them may die
        return True

    def _noise(self, members: Sequence[TrialRecord]) -> dict[str, float]:
        """Returns objective -> standard deviation between seeds, by the first two of each member.

        Later seeds would change which trials are near the front, and so what a second run trains.
        """
        results = self.all_results()
        gaps: dict[str, list[float]] = {}
        for trial in members:
            for result in results.get(trial.number, ()):
                if result.repeat != 1 or result.state != "complete":
                    continue
                for name in trial.values:
                    if name in result.validation:
                        gap = result.validation[name].value - trial.values[name]
                        gaps.setdefault(name, []).append(gap)
        return {
            name: math.sqrt(sum(gap**2 for gap in every) / (2 * len(every)))
            for name, every in gaps.items()
        }

    def repeat(self, trial: TrialRecord) -> bool:
        """Trains a trial once more, in the middle of a search; returns whether it did."""
        jobs = self._jobs([trial], self._most)
        missing = jobs.missing(self.all_results())
        return bool(missing) and self._ran(jobs, *missing[0])

    def all_results(self) -> dict[int, tuple[SeedResult, ...]]:
        """Returns trial -> its further trainings, in order."""
        return self._study.repeats.results(self._setting)

    def is_repeatable(self, trial: TrialRecord) -> bool:
        """Returns whether a training with another seed gives another network."""
        return self._study.is_repeatable(Plan.from_json(trial.plan))

    def _jobs(self, trials: Sequence[TrialRecord], most: int) -> _Jobs:
        return _Jobs(self._repeatable(trials), most, self._tried)

    def _repeatable(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the trials that another seed changes; notes that the others stay as they are."""
        repeatable, results = [], self.all_results()
        for trial in trials:
            if self.is_repeatable(trial):
                repeatable.append(trial)
            elif not results.get(trial.number):
                self._put(trial.number, SeedResult(FIRST, "fixed"))
        return repeatable

    def _ran(self, jobs: _Jobs, repeat: int, number: int) -> bool:
        """Runs a training; returns False if another worker runs it, or no time is left."""
        if not self._has_time():
            return False
        lease = self._leases.take(f"repeat {repeat} of trial {number}")
        if lease is None:
            return False
        try:
            if not jobs.is_missing(self.all_results(), repeat, number):
                return True  # another worker has just ended it
            trial = jobs.trials[number]
            report = _Renamed(self._report, repeat)
            stages = [report.name(stage) for stage in self._study.stages(_plan(trial))]
            self._report(TrialStarted(number, trial.params, stages))
            result = self._study.repeat(trial, repeat, report)
            self._put(number, result)
            self._tried.add((repeat, number))
            whole = self._jobs(jobs.chosen, self._most)
            done = len(whole.all) - len(whole.missing(self.all_results()))
            own = trial.measurements
            first = {name: own[name].value for name in result.validation if name in own}
            self._report(RepeatEnded(number, result, first, done, len(whole.all)))
            return True
        finally:
            self._leases.release(lease)

    def _put(self, number: int, result: SeedResult) -> None:
        self._study.repeats.put(number, result, self._setting, self._study.host)

    def _has_time(self) -> bool:
        return self._left() > 0


@dataclass
class _Jobs:
    """The trainings to run: (repeat, trial number), all trials with one seed before the next seed.

    Attributes:
        chosen: The trials.
        most: Number of trainings of each, with the first one.
        tried: Trainings of this run.
    """

    chosen: Sequence[TrialRecord]
    most: int
    tried: Collection[tuple[int, int]]

    @property
    def trials(self) -> Mapping[int, TrialRecord]:
        """Trial number -> trial."""
        return {trial.number: trial for trial in self.chosen}

    @property
    def all(self) -> list[tuple[int, int]]:
        """Every training."""
        numbers = [trial.number for trial in self.chosen]
        return [(repeat, number) for repeat in range(1, self.most) for number in numbers]

    def missing(self, results: Mapping[int, Sequence[SeedResult]]) -> list[tuple[int, int]]:
        """Returns the trainings without a result."""
        return [job for job in self.all if self.is_missing(results, *job)]

    def is_missing(
        self, results: Mapping[int, Sequence[SeedResult]], repeat: int, number: int
    ) -> bool:
        """Returns whether a training has no result, or failed in an earlier run."""
        states = [r.state for r in results.get(number, ()) if r.repeat == repeat]
        return not states or (states == ["failed"] and (repeat, number) not in self.tried)


class _Renamed:
    """Reports the stages of a further training under names of their own."""

    def __init__(self, report: Reporter, repeat: int) -> None:
        self._report, self._repeat = report, repeat

    def name(self, stage: str) -> str:
        """Returns the name of a stage: "finetune (seed 2)"; the first training has seed 1."""
        return f"{stage} (seed {self._repeat + 1})"

    def __call__(self, event: Event) -> None:
        """Reports an event."""
        if isinstance(event, StageStarted | StageDone | EpochDone | StepDone):
            event = replace(event, stage=self.name(event.stage))
        self._report(event)


def near_trials(record: StudyRecord, deviations: Mapping[str, float]) -> list[TrialRecord]:
    """Returns the likeliest trials near the front, half as many as the front has; 4 at most.

    A first training that was unlucky keeps a good trial off the front, so some get a chance. Each
    is as expensive as a member.

    Args:
        record: The study, by the measurements of the search.
        deviations: Objective -> standard deviation between seeds.
    """
    noisy = with_seed_noise(record, deviations)
    chances = front_chances(replace(noisy, chances=None))
    trials = {trial.number: trial for trial in record.trials if trial.feasible}
    members = record.members - {0}
    near = [n for n, p in chances.items() if p >= NEAR_FRONT and n not in record.members and n]
    near.sort(key=lambda number: -chances[number])
    most = min(MOST_NEAR, max(1, len(members) // 2))
    return [trials[number] for number in near[:most] if number in trials]


def _compared_networks(record: StudyRecord) -> list[TrialRecord]:
    """Returns the trial of the baseline's own network, with which the headline compares.

    A mean is not compared with the best of single draws.
    """
    same = same_network_trials(record.trials, record.baseline, record.axes)
    return [same[FLOAT]] if FLOAT in same and same[FLOAT].feasible else []


def _plan(trial: TrialRecord) -> Plan:
    return Plan.from_json(trial.plan)


def _missing(missing: int, total: int) -> str:
    verb = "is" if missing == 1 else "are"
    return f"{missing} of {count_text(total, 'training')} with other seeds {verb} missing"


def _out_of_time(missing: int, total: int) -> str:
    text = _missing(missing, total)
    return f"the time is spent: {text}; type the same command again to run them"


def _untrained(missing: int, total: int) -> str:
    text = _missing(missing, total)
    return f"{text}; this worker only measures, so run them with: paretune run STUDY"
