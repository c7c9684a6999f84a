"""The loop of a run: propose, evaluate, store, tell the sampler, until a stopping rule holds."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from paretune.search.changing.earlier_trials import EarlierTrials
from paretune.search.changing.measuring_again import MeasuringAgain
from paretune.search.changing.take_up import take_up_changes
from paretune.search.database.activities import Activities
from paretune.search.database.damage import explained
from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.database.trials import UnseenTrials
from paretune.search.database.versions import NewerVersion, Versions
from paretune.search.front.growth import FrontTracker
from paretune.search.interruption import stop_if_interrupted
from paretune.search.measuring.gauge import values_by_name
from paretune.search.running.activity import Activity
from paretune.search.running.failed_trials import FailedTrials
from paretune.search.running.final_session import measure_final
from paretune.search.running.first_plans import plans_to_try_first
from paretune.search.running.format_variants import FormatVariants
from paretune.search.running.garbage import loaded_objects_unvisited
from paretune.search.running.liveness import lives
from paretune.search.running.opening import open_study
from paretune.search.running.racing_turns import RacingTurns
from paretune.search.running.recovery import (
    NO_PROPOSAL,
    Task,
    mirrored_row,
    reconcile,
    result_of,
    take_over_trial,
)
from paretune.search.running.role_check import refuse_role
from paretune.search.running.seed_learning import SeedLearning
from paretune.search.running.seed_repeats import SeedRepeats
from paretune.search.running.space_plans import SpacePlans
from paretune.search.running.stopping import STOPPED, Ending, Progress, ending, plans_text
from paretune.search.running.worker import Worker
from paretune.search.sampling.hints import Hints
from paretune.search.sampling.proposer import Exhausted, Outcome, Proposal, Proposer
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, Trained, TrialRecord
from paretune.search.study.role import Role
from paretune.search.study.spec import StudySpec
from paretune.search.trial.control import StopRequested
from paretune.search.trial.events import (
    DeviceAwaited,
    Notice,
    Reporter,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialStarted,
    TrialTrained,
)

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

PATIENCE = 0.5
"""Seconds between two checks on other workers."""

MAX_PROPOSALS = 10
"""This worker waits if other workers run this many proposals for one trial number."""

MAX_LOST = 3
"""Trial numbers in a row that other workers may take first; then a later number is used."""


TRAINED = Ending("everything is trained; the workers that measure finish it", over=False)
"""The end of a worker that only trains, before the last trials are measured."""

WAITS_FOR_BASELINE = {
    Role.ALL: "another worker measures the baseline; waiting for it",
    Role.TRAIN: "waiting for a worker that measures the baseline: paretune worker --only measure",
    Role.MEASURE: "waiting for a worker that trains the baseline: paretune worker --only train",
}
"""Role of this worker -> what it says while the baseline is not measured."""


TRAINERS_COME = 600.0
"""Seconds that a worker that only measures waits for the first one that trains, after the last run
has ended: both may be started at the same moment."""

WAITS_FOR_TRAINERS = (
    "nothing waits for a measurement; waiting up to {seconds:g} s for a worker that trains: "
    "paretune worker --only train"
)

LOST = (
    "trial {number} went on in another worker, as this one gave no sign of life for too long; its "
    "result here is dropped"
)


class Runner:
    """Runs a study, or continues it.

    Args:
        spec: The study.
        report: Receives every event.
        data: The study's data, if it is loaded already.
        retry_failed: Whether trials that failed before are tried again.
        joins: Whether this process joins others, which an earlier pause holds up: this one, too.
        options: Options of `paretune run`, which a later run needs as well.
        role: The kinds of stages that this process runs.
    """

    def __init__(
        self,
        spec: StudySpec,
        report: Reporter,
        data: Dataset | None = None,
        retry_failed: bool = False,
        joins: bool = False,
        options: Sequence[str] = (),
        role: Role = Role.ALL,
    ) -> None:
        self._spec = spec
        self._report = report
        self._data = data
        self._retry_failed = retry_failed
        self._joins, self._options = joins, options
        self._role = role
        self._progress = Progress(time.monotonic())
        self._highest = 0  # highest finished trial that the proposer has learned from
        self._missing: set[int] = set()  # lower trials that have not ended, or never began
        self._seen = 0  # highest trial that any worker has begun
        self._lost = 0  # trial numbers in a row that other workers took first
        self._running: list[Row] = []  # running trials at the last check
        self._has_seen_trainers = False  # or what they have trained
        self._idle_since: float | None = None  # since when no worker trains

    def run(self) -> Ending:
        """Runs trials until a stopping rule holds.

        Raises:
            UserError: The study cannot be run; finished trials are kept.
            KeyboardInterrupt: The user wants to stop; finished trials are kept.
        """
        refuse_role(self._spec, self._role)
        with explained(self._spec.storage):
            self._study = open_study(self._spec, self._data)
            self._store = self._study.store
            self._versions = Versions(self._study.engine)
            try:
                others = any(lives(other) for other in self._store.workers())
                take_up_changes(self._study, self._report, self._joins, others)
                self._study.register(self._role)
                with (
                    Worker(self._store, self._role) as worker,
                    Activity(Activities(self._study.engine), worker.id, self._report) as report,
                ):
                    self._worker, self._report = worker, report
                    self._begin(report)
                    self._again = MeasuringAgain(self._study, report)
                    completed = self._completed_before(worker)
                    self._earlier = EarlierTrials(self._study)
                    reconcile(self._study, worker, self._earlier, completed)
                    end = self._work()
            except BaseException:
                with suppress(Exception):  # a full disk must not hide the first error
                    self._study.close()
                raise
            self._study.close()
            return end

    def _completed_before(self, worker: Worker) -> Collection[int]:
        """Completes earlier trials for this version; returns their numbers."""
        return self._again.complete_all(int(worker.id, 16)) if self._role.measures else ()

    def _begin(self, report: Reporter) -> None:
        """Reads what the user asks of the workers; writes the options of this run."""
        control = self._study.control
        control.notify = self._study.outage.notify = lambda text: report(Notice(text))
        control.await_device = lambda text: report(DeviceAwaited(text))
        joins = self._joins and len(self._worker.living()) > 1
        control.begin(joins, None if self._joins else self._options)

    def _work(self) -> Ending:
        try:
            return self._worked()
        except StopRequested:
            self._store.update_study(end_reason=STOPPED.reason)
            self._report(RunEnded(STOPPED.reason, self._progress.done, self._spec.trials))
            return STOPPED
        except NewerVersion as error:
            self._study.mirror.stop()
            end = Ending(str(error), over=False)
            self._report(RunEnded(end.reason, self._progress.done, self._spec.trials))
            return end

    def _worked(self) -> Ending:
        start = self._earlier.grid_start
        study = self._study
        self._proposer = Proposer(self._spec, study.cheap, study.cost, start, study.estimates)
        self._plans = SpacePlans(self._spec.space, self._study.plan)
        self._hints = Hints(
            plans_to_try_first(self._spec, self._study.engine),
            self._spec.space,
            self._proposer.prior,
            self._spec.seed,
        )
        self._failed = FailedTrials(self._study, self._retry_failed)
        self._progress.listed = self._plans.is_small
        plans = self._plans.total(at_most=self._spec.trials or math.inf)
        self._limit = self._spec.trials
        if plans is not None:  # the baseline's plan needs no further trial
            baseline = self._study.baseline
            self._limit = plans - (baseline is not None and self._plans.has(baseline.key))
        if plans is not None:
            self._store.add_info(plans=plans)
        self._report(
            RunStarted(
                self._spec.name,
                self._study.axes,
                self._limit,
                self._store.count_done(),
                self._spec.seconds,
                self._study.host_text,
                plans,
            )
        )
        if self._retry_failed:
            self._report(Notice(self._failed.text()))
        plan, self._baseline = self._study.baseline, None
        if plan is not None:
            self._baseline = self._ensured_baseline(plan)
            self._proposer.set_baseline(values_by_name(self._baseline.measurements))
            self._plans.add(plan.key, "complete")
        self._turns = RacingTurns(
            self._study,
            self._worker.id,
            self._proposer,
            self._progress,
            self._report,
            self._earlier,
        )
        self._growth = FrontTracker(self._study.axes, self._reference or None, self._study.classes)
        first = self._baseline
        if first and first.feasible and self._growth.add(0, first.values):
            self._store.add_front(self._growth.point(0, first.finished), is_last=False)
        self._variants = FormatVariants(self._study, self._earlier)
        self._seeds = self._seed_learning()
        with loaded_objects_unvisited():
            end = self._search() if self._role.trains else self._measure_trained()
        if end.over and not end.exhausted and self._plans.all_begun(at_end=True):
            total = self._plans.total(at_most=math.inf)
            end = Ending(plans_text(total or 0), end.ok, exhausted=True)
        self._refuse_newer_version()
        if end.over:
            for number, result in self._turns.stop_all():
                self._take_in(number, result, None)
        if self._role.measures:
            measure_final(self._study, self._report, self._seconds_left, self._role.trains)
        self._store.update_study(end_reason=end.reason)
        self._report(RunEnded(end.reason, self._progress.done, self._limit))
        return end

    def _seed_learning(self) -> SeedLearning | None:
        """Returns what trains trials again in the middle of the search, if the study repeats."""
        if self._spec.repeats < 2 or self._role is not Role.ALL:
            return None
        repeats = SeedRepeats(self._study, self._report, self._seconds_left)
        return SeedLearning(self._study, repeats, self._proposer, self._earlier)

    def _seconds_left(self) -> float:
        """Returns the seconds that this run may still take."""
        spent = time.monotonic() - self._progress.begun - self._study.control.held
        return math.inf if self._spec.seconds is None else self._spec.seconds - spent

    @property
    def _reference(self) -> Mapping[str, float]:
        """Values of the baseline; empty if there is none."""
        return self._baseline.values if self._baseline else {}

    def _search(self) -> Ending:
        last = self._learn()
        if last is not None:  # a killed run may have left format variants untried
            self._variants.trial_ended(*last)
        while True:
            stop_if_interrupted()
            self._refuse_newer_version()
            self._study.control.between_stages()
            self._progress.held = self._study.control.held
            self._learn()
            self._turns.update()
            task = take_over_trial(self._study, self._worker, self._running)
            if task is None and self._role.measures:
                task = self._variants.begin_next(self._worker)
            if task is None:
                others = self._others(self._running)
                self._progress.front = self._growth.front
                done = not others and self._plans.all_begun()
                self._progress.plans = self._plans.total(math.inf) if done else None
                end = ending(self._spec, self._progress, self._reference)
                if end is None or end.over:
                    task = self._failed.open_next(self._worker.id) or self._turns.next()
            if task is None:
                if end is not None and not self._raced_elsewhere(end):
                    if self._has_more_variants(end):
                        continue
                    return end
                if end is not None:
                    self._study.mirror.flush()
                    time.sleep(PATIENCE)
                    continue
                trial_limit = self._spec.trials
                if (
                    others
                    and trial_limit is not None
                    and self._progress.tried + others >= trial_limit
                ):
                    if self._role is Role.TRAIN and not self._is_training_elsewhere():
                        return TRAINED
                    self._study.mirror.flush()
                    time.sleep(PATIENCE)  # other workers run the last trials; one of them may die
                    continue
                if self._seeds and self._seeds.step(self._growth.front, self._progress.done):
                    continue
                try:
                    task = self._begin_trial()
                except Exhausted:
                    self._progress.exhausted = not others  # then the next turn ends the run
                    if others and self._role is Role.TRAIN and not self._is_training_elsewhere():
                        return TRAINED
                    if others:
                        self._study.mirror.flush()
                        time.sleep(PATIENCE)
                    continue
            if task is not None:
                self._execute(task)

    def _measure_trained(self) -> Ending:
        """Measures what other workers have trained, until they have left and nothing waits."""
        last = self._learn()
        if last is not None:  # a killed run may have left format variants untried
            self._variants.trial_ended(*last)
        while True:
            stop_if_interrupted()
            self._refuse_newer_version()
            self._study.control.between_stages()
            self._progress.held = self._study.control.held
            self._learn()
            task = take_over_trial(self._study, self._worker, self._running)
            task = task or self._variants.begin_next(self._worker)
            if task is not None:
                self._has_seen_trainers = True
                self._execute(task)
                continue
            end = self._measured_all()
            if end is not None and not self._has_more_variants(end):
                return end
            self._study.mirror.flush()
            time.sleep(PATIENCE)

    def _measured_all(self) -> Ending | None:
        """Returns why a worker that only measures may leave; None while others train."""
        if self._worker.trainers() or self._others(self._running):
            self._has_seen_trainers = True
            return None
        self._progress.front = self._growth.front
        done = self._plans.all_begun()
        self._progress.plans = self._plans.total(math.inf) if done else None
        end = ending(self._spec, self._progress, self._reference)
        if end is not None:
            return end
        stored = self._store.study()
        reason = stored["end_reason"] if stored else None
        if reason is None:  # a run has begun, and its workers may be started again
            self._has_seen_trainers = True
            return None
        if not self._has_seen_trainers and self._awaits_trainers():
            return None
        return Ending(reason, over=False, again=True)

    def _awaits_trainers(self) -> bool:
        """Returns whether to wait for the first worker that trains; says so once."""
        if self._idle_since is None:
            self._idle_since = time.monotonic()
            self._report(Notice(WAITS_FOR_TRAINERS.format(seconds=TRAINERS_COME)))
        return time.monotonic() - self._idle_since < TRAINERS_COME

    def _has_more_variants(self, end: Ending) -> bool:
        """Returns whether the end of the search brings format variants for this worker."""
        if not end.ok or not self._role.measures:
            return False
        return self._variants.search_ended(self._growth.front)

    def _is_training_elsewhere(self) -> bool:
        """Returns whether a trial is in training, here or elsewhere, or may be again."""
        trainers = self._worker.trainers()
        return any(row["worker"] in trainers for row in self._store.running())

    # -- what to do next -------------------------------------------------------------------------

    def _begin_trial(self) -> Task | None:
        """Begins a new trial; returns None if its plan is a repeat, or another worker was first."""
        number = max(self._seen, self._highest) + 1
        for attempt in range(MAX_PROPOSALS):
            proposal, plan = self._propose(number, attempt)
            stored = proposal.to_json()
            # Two workers with the same history propose the same for one number, so the slower one
            # asks for the next number. With many quick workers it would never get one.
            # A plan to try first waits: at a later number, it might have been begun meanwhile.
            later = self._lost >= MAX_LOST and proposal.hint is None
            begun = self._store.begin_next(
                number,
                self._worker.id,
                plan,
                proposal.params,
                stored,
                later=later,
                most=self._spec.trials,
            )
            if begun is not None:
                self._seen, self._lost = begun.number, 0
                self._proposer.renumber(number, begun.number)
                self._plans.add(plan.key, "running")
                self._hints.begun(stored)
                task = Task(begun.number, plan, proposal.params, stored, begun.started)
                if begun.same is None:
                    self._study.mirror.put(task.mirrored())
                    self._progress.repeats = 0
                    return task
                self._repeat(task, begun.same)
                return None
            self._proposer.withdraw(number)
            self._learn()
            if max(self._seen, self._highest) >= number:
                self._lost += 1
                return None  # that may have been the last trial of the budget
        self._study.mirror.flush()
        time.sleep(PATIENCE)
        return None

    def _propose(self, number: int, attempt: int) -> tuple[Proposal, Plan]:
        """Returns the sampler's proposal and its plan, or a plan that was not tried yet.

        Raises:
            Exhausted: There is nothing left to propose.
            UserError: No trial can be of use (`OpenStudy.refuse_search`).
        """
        proposal: Proposal | None = None
        self._study.refuse_search()
        if self._plans.all_begun():
            raise Exhausted
        hint = self._hints.next(lambda c: self._plans.is_begun(self._study.plan(c).key))
        if hint is not None:
            proposal = self._proposer.suggest(number, hint, attempt)
            return proposal, self._study.plan(proposal.choices)
        # A grid ends too early if format variants took some of its numbers.
        with suppress(Exhausted):
            proposal = self._proposer.ask(number, attempt)
            plan = self._study.plan(proposal.choices)
            if not self._plans.is_spent(plan.key, self._progress.repeats):
                return proposal, plan
        params = self._plans.nearest_untried(proposal.params if proposal else {})
        if params is None:
            if proposal is not None:
                self._proposer.withdraw(number)
            raise Exhausted
        other = self._proposer.replace(number, params)
        return other, self._study.plan(other.choices)

    def _repeat(self, task: Task, first: int) -> None:
        """Ends a trial that repeats a plan, with the result of the first one."""
        self._progress.repeats += 1
        earlier = self._store.trial(first)
        assert earlier is not None
        self._end(
            task,
            Result(
                "stopped" if earlier.state == "paused" else earlier.state,
                earlier.values,
                earlier.violations,
                reason=earlier.reason,
                repeat_of=first,
            ),
        )

    def _ensured_baseline(self, plan: Plan) -> TrialRecord:
        """Returns trial 0, measured by this worker or another one.

        Raises:
            UserError: The baseline cannot be built or measured.
        """
        waiting = False
        while True:
            baseline = self._store.trial(0)
            if baseline is not None and baseline.state == "complete":
                return baseline
            task = (
                self._new_baseline(plan)
                if baseline is None and self._role.trains
                else take_over_trial(self._study, self._worker, self._store.running())
            )
            if task is not None:
                self._execute(task)
                continue
            if not waiting:
                self._report(Notice(WAITS_FOR_BASELINE[self._role]))
            waiting = True
            self._study.control.between_stages()
            time.sleep(PATIENCE)

    def _new_baseline(self, plan: Plan) -> Task | None:
        try:
            started = self._store.begin(0, self._worker.id, plan, {}, NO_PROPOSAL)
        except IntegrityError:  # another worker began it at the same moment
            return None
        task = Task(0, plan, {}, NO_PROPOSAL, started)
        self._study.mirror.put(task.mirrored())
        return task

    # -- running a trial --------------------------------------------------------------------------

    def _execute(self, task: Task) -> None:
        stages = self._study.stages(task.plan)
        resumed = not task.taken_over and bool(task.spent) and self._study.race is not None
        self._report(
            TrialStarted(
                task.number,
                task.params,
                stages,
                task.taken_over,
                resumed,
                task.attempt,
                task.left,
            )
        )
        baseline = None if task.number == 0 else self._baseline
        work = self._study.evaluate if self._role.measures else self._study.train
        result = work(task.number, task.plan, baseline, self._report)
        if isinstance(result, Trained):
            self._hand_over(task, result)
            return
        if not self._store.is_owner(task.number, self._worker.id):
            self._report(Notice(LOST.format(number=task.number)))
            return
        result = result.with_earlier(task.spent)
        if task.attempt > 1 and result.reason and result.state != "paused":
            attempts = {"attempts": str(task.attempt)}
            result = replace(result, reason={**result.reason, **attempts})
        if task.number and task.variant_of is None and result.state != "paused":
            params = self._earlier.params(task.row)
            if params is not None:
                self._variants.trial_ended(task.number, params)
        self._progress.failures = self._progress.failures + 1 if result.state == "failed" else 0
        self._progress.durations.append(result.duration)
        if result.state == "paused":
            self._refuse_newer_version()  # its workers take the trial over, and pause it
            self._turns.pause(task, result)
        else:
            self._end(task, result)

    def _hand_over(self, task: Task, trained: Trained) -> None:
        """Leaves a trained trial to a worker that measures."""
        turns = Result("running", seconds=trained.seconds).with_earlier(task.spent)
        self._store.hand_over(task.number, self._worker.id, turns.seconds)
        self._progress.failures = 0
        self._report(TrialTrained(task.number))

    def _end(self, task: Task, result: Result) -> None:
        """Stores the end of a trial in Paretune's tables, the truth, then in Optuna's."""
        grew = task.number > 0 and self._take_in(task.number, result, task.variant_of)
        finished, grew = self._finish(task.number, result, grew)
        if finished is None:  # since the look in `_execute`
            self._report(Notice(LOST.format(number=task.number)))
            return
        if self._store.outdated:
            self._refuse_newer_version()
        self._plans.add(task.plan.key, result.state)
        if task.attempt > 1:
            self._failed.ended(task.number)
        self._study.mirror.put(task.mirrored(result, finished))
        if task.number > 0:
            outcome = Outcome.of(result)
            if not self._proposer.tell(task.number, outcome):  # a dead worker had begun it
                self._replay(task.row, outcome)
        self._report(
            TrialEnded(
                trial=task.number,
                result=result,
                baseline=self._reference if task.number else result.values,
                done=self._progress.tried,
                grew=grew,
                front=self._growth.front if task.number else {},
                hypervolume=self._growth.hypervolume if task.number else None,
                variant_of=task.variant_of,
            )
        )

    def _finish(self, number: int, result: Result, grew: bool) -> tuple[float | None, bool]:
        """Stores the end of a trial, with a front that knows the trials of all workers.

        Args:
            number: Trial number.
            result: Its result.
            grew: Whether it changed the front of the trials that this worker knows.

        Returns:
            The time, None if another worker has taken the trial over, and whether the trial is on
            the front of all trials.
        """
        while True:
            point = self._growth.point(number) if grew else None
            seen = (self._highest, self._missing)
            try:
                finished = self._store.finish(
                    number, result, self._study.host, point, self._worker.id, seen
                )
                return finished, grew
            except UnseenTrials:  # other workers ended trials at the same moment
                self._learn()
                grew = number in self._growth.front

    def _take_in(self, number: int, result: Result, variant_of: int | None) -> bool:
        """Counts a finished trial and adds it to the front; returns whether the front changed."""
        self._missing.update(range(self._highest + 1, number))
        self._missing.discard(number)
        self._highest = max(self._highest, number)
        if result.repeat_of is not None:
            return False
        self._progress.done += variant_of is None
        return result.feasible and self._growth.add(number, result.values)

    def _learn(self) -> tuple[int, Mapping[str, Any]] | None:
        """Learns from trials that an earlier run or another worker finished.

        Returns number and parameters of the last one that is not a format variant.
        """
        last, self._running = None, []
        for row in self._store.new_trials(self._highest, self._missing):
            self._seen = max(self._seen, row["number"])
            if row["state"] == "running":
                self._running.append(row)
            self._hints.begun(row["proposal"])
            if row["number"] and row["repeat_of"] is None and self._earlier.answers(row):
                self._plans.add(row["plan_key"], row["state"])
            if row["state"] in OPEN_STATES or self._failed.is_waiting(row):
                continue
            row, grows = self._completed(row)
            result = result_of(row)
            if self._earlier.answers(row):
                self._replay(row, Outcome.of(result))
            grew = self._take_in(row["number"], result, row["variant_of"])
            if grows and grew:
                self._store.add_front(self._growth.point(row["number"]))
            self._count_repeats(row)
            if row["variant_of"] is None and row["repeat_of"] is None:
                params = self._earlier.params(row)
                last = None if params is None else (row["number"], params)
        return last

    def _completed(self, row: Row) -> tuple[Row, bool]:
        """Returns the row of an ended trial, and whether it was completed for this version now.

        A worker of an earlier version may have ended it, without what this version measures.
        """
        if self._earlier.answers(row) or row["state"] != "complete":
            return row, False
        if not self._again.complete(row["number"]):
            return row, False
        [completed] = self._store.rows([row["number"]])
        self._study.mirror.put(mirrored_row(completed, self._earlier))
        return completed, True

    def _replay(self, row: Mapping[str, Any] | Row, outcome: Outcome) -> None:
        """Lets the sampler learn from a trial that was not proposed here, if its space has it."""
        proposal = self._earlier.proposal(row)
        if proposal is not None:
            self._proposer.replay(proposal, outcome)

    def _refuse_newer_version(self) -> None:
        """Ends the work of this process if another one has changed the study.

        Raises:
            NewerVersion: The study has a newer version.
        """
        newest = self._versions.newest()
        if newest > self._store.version:
            raise NewerVersion(newest, self._store.version)

    def _count_repeats(self, row: Row) -> None:
        """Counts the proposals in a row that repeated a plan, as before the run was interrupted."""
        if row["variant_of"] is None:
            repeats = self._progress.repeats
            self._progress.repeats = 0 if row["repeat_of"] is None else repeats + 1

    def _raced_elsewhere(self, end: Ending) -> bool:
        """Returns whether another worker runs a resumed trial; its end may resume more trials.

        Checked after no trial is left to resume here, so that one taken meanwhile counts.
        """
        return end.over and self._study.race is not None and self._others(self._store.running()) > 0

    def _others(self, running: Sequence[Row]) -> int:
        """Returns how many of the running trials belong to other living workers."""
        others = [row for row in running if row["worker"] != self._worker.id]
        if not others:
            return 0
        living: set[str | None] = {*self._worker.living()}
        if self._role is Role.TRAIN:  # trained trials wait for others; a dead one is trained here
            living.add(None)
        return sum(row["worker"] in living for row in others)
