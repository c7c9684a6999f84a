"""The parts that the jobs of one worker share: study, sampler, plans, front and progress."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from paretune.search.database.versions import Versions, refuse_newer
from paretune.search.front.growth import FrontTracker
from paretune.search.measuring.gauge import values_by_name
from paretune.search.running.failed_trials import FailedTrials
from paretune.search.running.first_plans import plans_to_try_first
from paretune.search.running.format_variants import FormatVariants
from paretune.search.running.garbage import LoadedObjects
from paretune.search.running.racing_turns import RacingTurns
from paretune.search.running.space_plans import SpacePlans
from paretune.search.running.stopping import Progress
from paretune.search.sampling.hints import Hints
from paretune.search.sampling.proposer import Proposer

if TYPE_CHECKING:
    from paretune.search.changing.earlier_trials import EarlierTrials
    from paretune.search.running.worker import Worker
    from paretune.search.study.plan import Plan
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.events import Reporter
    from paretune.search.trial.open_study import OpenStudy

LOOK_EVERY = 1.0
"""Shortest time between two looks at the version of the study in the loop, in seconds."""


class SearchState:
    """The search of one worker.

    Attributes:
        study: The open study.
        spec: Its specification.
        store: Its tables.
        worker: This process as a worker.
        role: The kinds of stages that this worker runs.
        report: Receives every event.
        progress: The progress of the run.
        earlier: Translates trials of earlier versions.
        proposer: The sampler.
        plans: The plans of the space, and those that trials have begun.
        hints: The plans to try first.
        failed: The failed trials that are tried again.
        turns: The paused trials of racing.
        variants: The queue of format variants.
        baseline: Trial 0; None before it is measured, or in a study without a baseline.
        growth: The front of the trials that this worker has learned of, with the baseline.
        loaded: The objects that the garbage collector leaves out.

    Args:
        study: The open study.
        worker: This process as a worker.
        report: Receives every event.
        progress: The progress of the run.
        earlier: Translates trials of earlier versions.
        retry_failed: Whether trials that failed before are tried again.
    """

    def __init__(
        self,
        study: OpenStudy,
        worker: Worker,
        report: Reporter,
        progress: Progress,
        earlier: EarlierTrials,
        retry_failed: bool,
    ) -> None:
        spec = study.spec
        self.study, self.spec, self.store = study, spec, study.store
        self.worker, self.role = worker, worker.role
        self.report, self.progress, self.earlier = report, progress, earlier
        self._versions, self._looked = Versions(study.engine), -math.inf
        start = earlier.grid_start
        self.proposer = Proposer(
            spec, study.cheap, study.cost, start, study.estimates, study.overhead
        )
        self.plans = SpacePlans(spec.space, study.plan)
        self.hints = Hints(
            plans_to_try_first(spec, study.engine), spec.space, self.proposer.prior, spec.seed
        )
        self.failed = FailedTrials(study, retry_failed)
        self.turns = RacingTurns(study, worker.id, self.proposer, progress, report, earlier)
        self.variants = FormatVariants(study, earlier)
        self.baseline: TrialRecord | None = None
        self.growth = FrontTracker(study.axes, None, study.classes)
        self.loaded = LoadedObjects()
        progress.listed = self.plans.is_small

    @property
    def reference(self) -> Mapping[str, float]:
        """Values of the baseline; empty if there is none."""
        return self.baseline.values if self.baseline else {}

    def set_baseline(self, plan: Plan, baseline: TrialRecord) -> None:
        """Begins the front with trial 0, which later trials are compared with.

        Args:
            plan: Its plan.
            baseline: Trial 0, complete.
        """
        self.baseline = baseline
        self.proposer.set_baseline(values_by_name(baseline.measurements))
        self.plans.add(plan.key, "complete")
        reference = baseline.values or None
        self.growth = FrontTracker(self.study.axes, reference, self.study.classes)
        if baseline.feasible and self.growth.add(0, baseline.values):
            self.store.add_front(self.growth.point(0, baseline.finished), is_last=False)

    def seconds_left(self) -> float:
        """Returns the seconds that this run may still take."""
        spent = time.monotonic() - self.progress.begun - self.study.control.held
        return math.inf if self.spec.seconds is None else self.spec.seconds - spent

    def refuse_newer_version(self) -> None:
        """Ends the work of this process if another one has changed the study.

        Raises:
            NewerVersion: The study has a newer version.
        """
        self._looked = time.monotonic()
        refuse_newer(self._versions.newest(), self.store.version)

    def look_for_newer_version(self) -> None:
        """Does the same, at most once a second: the store refuses to begin a trial then.

        Raises:
            NewerVersion: The study has a newer version.
        """
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self.refuse_newer_version()
