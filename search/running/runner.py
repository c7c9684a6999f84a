"""A run of one process: opens the study, joins it as a worker, searches, and closes it."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from paretune.search.changing.earlier_trials import EarlierTrials
from paretune.search.changing.measuring_again import MeasuringAgain
from paretune.search.changing.take_up import take_up_changes
from paretune.search.database.activities import Activities
from paretune.search.database.damage import explained
from paretune.search.database.versions import NewerVersion
from paretune.search.running.activity import Activity
from paretune.search.running.baseline_trial import measured_baseline
from paretune.search.running.final_session import measure_final
from paretune.search.running.learning import Learning
from paretune.search.running.liveness import lives
from paretune.search.running.measuring_loop import MeasuringLoop
from paretune.search.running.opening import open_study
from paretune.search.running.recovery import reconcile
from paretune.search.running.role_check import refuse_role
from paretune.search.running.search_loop import SearchLoop
from paretune.search.running.search_state import SearchState
from paretune.search.running.shared_end import SharedEnd
from paretune.search.running.stopping import STOPPED, Ending, Progress, plans_text
from paretune.search.running.trial_execution import TrialExecution
from paretune.search.running.worker import Worker
from paretune.search.study.role import Role
from paretune.search.study.spec import StudySpec
from paretune.search.trial.control import StopRequested
from paretune.search.trial.events import DeviceAwaited, Notice, Reporter, RunEnded, RunStarted

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset


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
            try:
                others = any(lives(other) for other in self._store.workers())
                take_up_changes(self._study, self._report, self._joins, others)
                self._study.register(self._role)
                with (
                    Worker(self._store, self._role) as worker,
                    Activity(Activities(self._study.engine), worker.id, self._report) as report,
                ):
                    self._worker, self._report = worker, report
                    self._read_requests()
                    again = MeasuringAgain(self._study, report)
                    completed = self._completed_before(again)
                    earlier = EarlierTrials(self._study)
                    reconcile(self._study, worker, earlier, completed)
                    end = self._work(earlier, again)
            except BaseException:
                with suppress(Exception):  # a full disk must not hide the first error
                    self._study.close()
                raise
            self._study.close()
            return end

    def _completed_before(self, again: MeasuringAgain) -> Collection[int]:
        """Completes earlier trials for this version; returns their numbers."""
        return again.complete_all(int(self._worker.id, 16)) if self._role.measures else ()

    def _read_requests(self) -> None:
        """Reads what the user asks of the workers; writes the options of this run."""
        control, report = self._study.control, self._report
        control.notify = self._study.outage.notify = lambda text: report(Notice(text))
        control.await_device = lambda text: report(DeviceAwaited(text))
        joins = self._joins and len(self._worker.living()) > 1
        control.begin(joins, None if self._joins else self._options)

    def _work(self, earlier: EarlierTrials, again: MeasuringAgain) -> Ending:
        """Searches; returns why that ended, also if another process ended it."""
        try:
            return self._searched(earlier, again)
        except StopRequested:
            self._store.update_study(end_reason=STOPPED.reason)
            end = STOPPED
        except NewerVersion as error:
            self._study.mirror.stop()
            end = Ending(str(error), over=False)
        self._report(RunEnded(end.reason, self._progress.done, self._spec.trials))
        return end

    def _searched(self, earlier: EarlierTrials, again: MeasuringAgain) -> Ending:
        """Measures the baseline, searches, and measures the front again."""
        study, role = self._study, self._role
        state = SearchState(
            study, self._worker, self._report, self._progress, earlier, self._retry_failed
        )
        learning = Learning(state, again)
        execution = TrialExecution(state, learning)
        limit = self._begun(state)
        shared_end = SharedEnd(study)
        if study.baseline is not None:
            state.set_baseline(study.baseline, measured_baseline(state, execution, study.baseline))
        loop = (SearchLoop if role.trains else MeasuringLoop)(state, learning, execution)
        with state.loaded:
            end = loop.run()
        if end.over and not end.exhausted and state.plans.all_begun(at_end=True):
            total = state.plans.total(at_most=math.inf)
            end = Ending(plans_text(total or 0), end.ok, exhausted=True)
        state.refuse_newer_version()
        if end.over:
            for number, result in state.turns.stop_all():
                learning.take_in(number, result, None)
        if role.measures:
            self._measure_final(state, shared_end)
        self._store.update_study(end_reason=end.reason)
        self._report(RunEnded(end.reason, self._progress.done, limit))
        return end

    def _measure_final(self, state: SearchState, shared_end: SharedEnd) -> None:
        """Measures the front again in this worker or in another one of the run."""

        def work() -> None:
            measure_final(self._study, self._report, state.seconds_left, self._role.trains)

        if self._spec.repeats > 1:  # the workers share these trainings
            work()
        else:
            shared_end.run(work)

    def _begun(self, state: SearchState) -> int | None:
        """Reports the begin of the run; returns how many trials it may have, None for no limit."""
        study, spec, limit = self._study, self._spec, self._spec.trials
        plans = state.plans.total(at_most=limit or math.inf)
        if plans is not None:  # the baseline's plan needs no further trial
            baseline = study.baseline
            limit = plans - (baseline is not None and state.plans.has(baseline.key))
            self._store.add_info(plans=plans)
        done = self._store.count_done()
        self._report(
            RunStarted(spec.name, study.axes, limit, done, spec.seconds, study.host_text, plans)
        )
        if self._retry_failed:
            self._report(Notice(state.failed.text()))
        return limit
