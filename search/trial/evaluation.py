"""Evaluation: builds, deploys and measures a plan, and decides what a failure means.

An infeasible candidate ends as "infeasible" with the reason. Any other error of a stage ends as
"failed" with stage, type, text and traceback. Errors of the engine itself are not caught.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from paretune.objectives.base import Measurement
from paretune.search.building.watch import StageError, Watch, WeightsError
from paretune.search.errors import UserError
from paretune.search.measuring.gauge import values_by_name, values_of, violations_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, Trained, TrialRecord
from paretune.search.trial.control import Control
from paretune.search.trial.events import Reporter
from paretune.search.trial.rung_checks import RungChecks, rung_checks_of
from paretune.search.trial.screening import ScreenedOut, Screening
from paretune.search.trial.structure_timings import StructureTimings
from paretune.search.trial.subnet_scoring import SubnetScoring
from paretune.search.trial.watching import watch_of
from paretune.search.trial.workbench import Workbench
from paretune.spaces.base import InfeasibleCandidate

Artifacts = dict[str | None, dict[str, Any]]
"""Target -> artifact as the database stores it."""


Ended = TypeVar("Ended", Result, Trained)


@dataclass(frozen=True)
class Evaluation:
    """Evaluates the trials of one study.

    Attributes:
        workbench: The study's parts.
        timings: Measurements by structure.
        screening: Checks untrained networks.
        control: Looks for a pause or a stop between stages and epochs.
        scoring: Scores the subnets of an elastic network.
    """

    workbench: Workbench
    timings: StructureTimings
    screening: Screening
    control: Control
    scoring: SubnetScoring

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Builds, deploys and measures a plan.

        Args:
            number: Trial number; names its artifact.
            plan: What to build.
            baseline: Trial 0, to which latency and constraints refer; None for trial 0 itself.
            report: Receives an event for each stage and epoch.

        Raises:
            UserError: The baseline fails, or the disk is full.
        """
        watch = watch_of(number, report, self.control)
        checks = rung_checks_of(self.workbench, number, plan, baseline, watch)
        result = self._ended(
            number, baseline, watch, checks, lambda: self._complete(number, plan, baseline, watch)
        )
        if checks and result.state != "paused":
            checks.drop_snapshot()
        return result

    def train(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result | Trained:
        """Trains a plan, so that another worker finds everything trained; takes no times.

        Args:
            number: Trial number.
            plan: What to train.
            baseline: Trial 0; None for trial 0 itself.
            report: Receives an event for each stage and epoch.

        Returns:
            The result if the trial has ended already, because it is infeasible or failed.

        Raises:
            UserError: The baseline fails, or the disk is full.
        """
        watch = watch_of(number, report, self.control)

        def trained() -> Trained:
            pipeline = self.workbench.pipeline
            if not pipeline.trained(plan):
                pipeline.probe(plan, watch)
                self.screening.check(plan, baseline, watch, clock=False)
                pipeline.candidate(plan, watch)
                self.scoring.score(plan, watch)
            return Trained(watch.seconds)

        return self._ended(number, baseline, watch, None, trained)

    def _ended(
        self,
        number: int,
        baseline: TrialRecord | None,
        watch: Watch,
        checks: RungChecks | None,
        work: Callable[[], Ended],
    ) -> Result | Ended:
        """Does the work of a trial; decides what an error in it means."""
        begun = time.monotonic()
        try:
            ended = work()
        except ScreenedOut as screened_out:
            return screened_out.result.with_seconds(watch.seconds, _spent(begun, watch))
        except WeightsError as error:
            where = "the baseline" if baseline is None else f"trial {number}"
            raise UserError(f"{where} fails in pretrain: {error}") from error
        except StageError as error:
            if checks and checks.pause_reason:
                return checks.paused(_spent(begun, watch))
            if baseline is None:
                raise UserError(f"the baseline fails in {error.stage}: {error.text}") from error
            return Result(
                "infeasible" if error.infeasible else "failed",
                reason=error.to_json(),
                seconds=watch.seconds,
                cached=tuple(watch.cached),
                duration=_spent(begun, watch),
            )
        if isinstance(ended, Result):
            return ended.with_seconds(watch.seconds, _spent(begun, watch))
        return ended

    def _complete(
        self, number: int, plan: Plan, baseline: TrialRecord | None, watch: Watch
    ) -> Result:
        """Builds, deploys and measures a plan; raises the errors of its stages."""
        artifacts, measurements = self._measured(number, plan, baseline, watch)
        spec = self.workbench.spec
        values = {m.name: m.value for m in measurements}
        reference = values_by_name(baseline.measurements) if baseline else values
        return Result(
            "complete",
            values_of(measurements, spec.objectives),
            violations_of(spec.constraints, values, reference),
            tuple(measurements),
            artifact=next(iter(artifacts.values())),
            artifacts={name: stored for name, stored in artifacts.items() if name is not None},
            cached=tuple(watch.cached),
        )

    def _measured(
        self, number: int, plan: Plan, baseline: TrialRecord | None, watch: Watch
    ) -> tuple[Artifacts, list[Measurement]]:
        """Returns the artifacts of a plan, and the measurements on all targets."""
        bench = self.workbench
        bench.pipeline.probe(plan, watch)
        self.screening.check(plan, baseline, watch)
        candidate = bench.pipeline.candidate(plan, watch)
        self.scoring.score(plan, watch)
        deployed = list(bench.deploy(plan, candidate, number, watch))
        with watch.stage("measure"):
            measurements = [
                measurement
                for on_target in deployed
                for measurement in self.timings.measure(
                    number, plan, on_target, baseline, watch.stage_seconds
                )
            ]
            wrong = [m.name for m in measurements if not math.isfinite(m.value)]
            if wrong:
                raise InfeasibleCandidate(f"{', '.join(wrong)}: the measured value is not finite")
        return {d.target.name: bench.artifact_json(d.artifact) for d in deployed}, measurements


def _spent(begun: float, watch: Watch) -> float:
    """Returns the seconds since a time, without pauses by the user."""
    return time.monotonic() - begun - watch.held
