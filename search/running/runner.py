"""The loop: propose, evaluate, record, tell; until there is enough."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError

from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.front.growth import FrontTracker
from paretune.search.measuring.gauge import values_by_name
from paretune.search.running.final_session import settle
from paretune.search.running.format_variants import FormatVariants
from paretune.search.running.racing_turns import RacingTurns
from paretune.search.running.recovery import NO_PROPOSAL, Task, adopted, reconcile, result_of
from paretune.search.running.stopping import Ending, Progress, ending
from paretune.search.running.worker import Worker
from paretune.search.sampling.proposer import Exhausted, Outcome, Proposer
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study.spec import StudySpec
from paretune.search.trial.events import (
    Notice,
    Reporter,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialStarted,
)
from paretune.search.trial.open_study import OpenStudy

PATIENCE = 0.5
"""Seconds between two looks at what other workers are doing."""

OTHERWISE = 10
"""Proposals for one number that other workers are at, after which it is waited for them."""

LOSSES = 3
"""Numbers in a row that quicker workers may take; then a later number does."""


class Runner:
    """Runs a study, or goes on with it.

    Args:
        spec: The study.
        report: Told of everything that happens.
    """

    def __init__(self, spec: StudySpec, report: Reporter) -> None:
        self._spec = spec
        self._report = report
        self._progress = Progress(time.monotonic())
        self._highest = 0  # of the finished trials that the proposer has been told of
        self._missing: set[int] = set()  # lower numbers: they have not ended, or never began
        self._seen = 0  # the highest number that anybody has begun
        self._lost = 0  # numbers in a row that others were quicker to take
        self._running: list[Row] = []  # the trials of others, when last looked at

    def run(self) -> Ending:
        """Works until the trials are done, the time is over or there is nothing new to try.

        Raises:
            UserError: The study cannot be run as it is; what is done is kept.
            KeyboardInterrupt: The user wants to stop; what is done is kept.
        """
        self._study = open_study(self._spec)
        self._store = self._study.store
        try:
            self._study.register()
            with Worker(self._store) as worker:
                self._worker = worker
                reconcile(self._study, worker)
                end = self._work()
        except BaseException:
            with suppress(OperationalError):  # a full disk, too: it must not hide why it ends
                self._study.close()
            raise
        self._study.close()
        return end

    def _work(self) -> Ending:
        self._proposer = Proposer(self._spec, self._study.cheap, self._study.cost)
        self._report(
            RunStarted(
                self._spec.name,
                self._study.axes,
                self._spec.trials,
                self._store.count_done(),
                self._spec.seconds,
                self._study.host_text,
            )
        )
        plan, self._baseline = self._study.baseline, None
        if plan is not None:
            self._baseline = self._ensured_baseline(plan)
            self._proposer.compare_with(values_by_name(self._baseline.measurements))
        self._turns = RacingTurns(
            self._study, self._worker.id, self._proposer, self._progress, self._report
        )
        self._growth = FrontTracker(self._study.axes, self._against or None, self._study.classes)
        first = self._baseline
        if first and first.feasible and self._growth.add(0, first.values):
            self._store.add_front(self._growth.point(0, first.finished))
        self._siblings = FormatVariants(self._study)
        end = self._search()
        if end.over:
            for number, result in self._turns.give_up():
                self._take_in(number, result, None)
        settle(self._study, self._report)
        self._store.update_study(end_reason=end.reason)
        self._report(RunEnded(end.reason, self._progress.done, self._spec.trials))
        return end

    @property
    def _against(self) -> Mapping[str, float]:
        """The baseline's values; empty where there is none."""
        return self._baseline.values if self._baseline else {}

    def _search(self) -> Ending:
        last = self._learn()
        if last is not None:  # a run that was killed may have left siblings untried
            self._siblings.expect(*last)
        while True:
            self._learn()
            self._turns.look()
            task = adopted(self._study, self._worker, self._running)
            task = task or self._siblings.begun(self._worker)
            if task is None:
                others = self._others(self._running)
                self._progress.front = self._growth.front
                end = ending(self._spec, self._progress, self._against)
                if end is None or end.over:
                    task = self._turns.next()
            if task is None:
                if end is not None and not self._raced_elsewhere(end):
                    if end.ok and self._siblings.of_front(self._growth.front):
                        continue
                    return end
                if end is not None:
                    self._study.mirror.flush()
                    time.sleep(PATIENCE)
                    continue
                wanted = self._spec.trials
                if others and wanted is not None and self._progress.tried + others >= wanted:
                    self._study.mirror.flush()
                    time.sleep(PATIENCE)  # theirs are the last ones; one may yet die
                    continue
                try:
                    task = self._proposed()
                except Exhausted:
                    if not others:
                        return Ending("every plan of the space has been tried")
                    time.sleep(PATIENCE)
                    continue
            if task is not None:
                self._execute(task)

    # -- what to do next -------------------------------------------------------------------------

    def _proposed(self) -> Task | None:
        """The next trial; None when its plan is known, or another worker was quicker."""
        number = max(self._seen, self._highest) + 1
        for same in range(OTHERWISE):
            proposal = self._proposer.ask(number, same)
            plan = self._study.plan(proposal.choices)
            said = proposal.to_json()
            # Two workers that know the same propose the same for one number: so the slower one
            # asks for the next number. But where many are quick it would never have its turn.
            later = self._lost >= LOSSES
            begun = self._store.begin_next(
                number, self._worker.id, plan, proposal.params, said, later=later
            )
            if begun is not None:
                self._seen, self._lost = begun.number, 0
                self._proposer.renumber(number, begun.number)
                task = Task(begun.number, plan, proposal.params, said, begun.started)
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
                return None  # it may have been the last one
        self._study.mirror.flush()
        time.sleep(PATIENCE)
        return None

    def _repeat(self, task: Task, first: int) -> None:
        """Ends a trial whose plan is known with the answer of the first one."""
        self._progress.repeats += 1
        known = self._store.trial(first)
        assert known is not None
        self._end(
            task,
            Result(
                "stopped" if known.state == "paused" else known.state,
                known.values,
                known.violations,
                reason=known.reason,
                repeat_of=first,
            ),
        )

    def _ensured_baseline(self, plan: Plan) -> TrialRecord:
        """Trial 0, measured; waits while another worker is at it.

        Raises:
            UserError: The baseline cannot be built or measured.
        """
        told = False
        while True:
            baseline = self._store.trial(0)
            if baseline is not None and baseline.state == "complete":
                return baseline
            task = (
                self._new_baseline(plan)
                if baseline is None
                else adopted(self._study, self._worker, self._store.running())
            )
            if task is not None:
                self._execute(task)
                continue
            if not told:
                self._report(Notice("another worker measures the baseline; waiting for it"))
            told = True
            time.sleep(PATIENCE)

    def _new_baseline(self, plan: Plan) -> Task | None:
        try:
            started = self._store.begin(0, self._worker.id, plan, {}, NO_PROPOSAL)
        except IntegrityError:  # somebody else began it at the same moment
            return None
        task = Task(0, plan, {}, NO_PROPOSAL, started)
        self._study.mirror.put(task.mirrored())
        return task

    # -- doing it --------------------------------------------------------------------------------

    def _execute(self, task: Task) -> None:
        stages = self._study.stages(task.plan)
        called_up = not task.again and bool(task.spent)
        self._report(TrialStarted(task.number, task.params, stages, task.again, called_up))
        baseline = None if task.number == 0 else self._baseline
        result = self._study.evaluate(task.number, task.plan, baseline, self._report)
        result = result.besides(task.spent)
        if task.number and task.variant_of is None and result.state != "paused":
            self._siblings.expect(task.number, task.params)
        self._progress.failures = self._progress.failures + 1 if result.state == "failed" else 0
        self._progress.durations.append(result.duration)
        if result.state == "paused":
            self._turns.pause(task, result)
        else:
            self._end(task, result)

    def _end(self, task: Task, result: Result) -> None:
        """Writes a trial's end: our tables first, which are the truth; Optuna's in their time."""
        grew = task.number > 0 and self._take_in(task.number, result, task.variant_of)
        point = self._growth.point(task.number) if grew else None
        finished = self._store.finish(task.number, result, self._study.host, point)
        self._study.mirror.put(task.mirrored(result, finished))
        if task.number > 0:
            outcome = Outcome.of(result)
            if not self._proposer.tell(task.number, outcome):  # begun by a worker that died
                self._proposer.replay(task.proposal, outcome)
        self._report(
            TrialEnded(
                trial=task.number,
                result=result,
                baseline=self._against if task.number else result.values,
                done=self._progress.tried,
                grew=grew,
                front=self._growth.front if task.number else {},
                hypervolume=self._growth.hypervolume if task.number else None,
                variant_of=task.variant_of,
            )
        )

    def _take_in(self, number: int, result: Result, variant_of: int | None) -> bool:
        """Counts a finished trial and lets it into the front; True when the front changed."""
        self._missing.update(range(self._highest + 1, number))
        self._missing.discard(number)
        self._highest = max(self._highest, number)
        if result.repeat_of is not None:
            return False
        self._progress.done += variant_of is None
        return result.feasible and self._growth.add(number, result.values)

    def _learn(self) -> tuple[int, Mapping[str, Any]] | None:
        """Takes in the trials that an earlier run or another worker finished; sees who runs.

        Gives number and parameters of the last one that was no variant_of.
        """
        last, self._running = None, []
        for row in self._store.new_trials(self._highest, self._missing):
            self._seen = max(self._seen, row["number"])
            if row["state"] == "running":
                self._running.append(row)
            if row["state"] in OPEN_STATES:
                continue
            result = result_of(row)
            self._proposer.replay(row["proposal"], Outcome.of(result))
            self._take_in(row["number"], result, row["variant_of"])
            if row["variant_of"] is None and row["repeat_of"] is None:
                last = (row["number"], row["params"])
        return last

    def _raced_elsewhere(self, end: Ending) -> bool:
        """Whether another worker has called up a trial, whose end may call up more.

        Asked when nobody is left to be called up here, so that one taken meanwhile is seen.
        """
        return end.over and self._study.race is not None and self._others(self._store.running()) > 0

    def _others(self, running: Sequence[Row]) -> int:
        """How many of the running trials other living workers are at."""
        strangers = [row for row in running if row["worker"] != self._worker.id]
        if not strangers:
            return 0
        living = self._worker.living()
        return sum(row["worker"] in living for row in strangers)


def open_study(spec: StudySpec) -> OpenStudy:
    """Opens a study for work. The kind of study that is not needed is not imported.

    Raises:
        UserError: The study cannot be run as it is.
    """
    if spec.trainer is not None:
        from paretune.search.trial.trainer_study import TrainerStudy

        return TrainerStudy(spec)
    from paretune.search.trial.stage_study import StageStudy

    return StageStudy(spec)
