"""Evaluation: a plan -> what came of it. Decides, in one place, what a failure means.

An infeasible candidate ends as "infeasible" with the reason, any other error of a stage is "failed" with
stage, type, text and traceback; errors of the engine itself are not caught.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.search.building.watch import StageError, Watch
from paretune.search.errors import UserError
from paretune.search.measuring.gauge import values_by_name, values_of, violations_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, TrialRecord
from paretune.search.trial.events import EpochDone, Reporter, StageDone, StageStarted
from paretune.search.trial.rung_checks import RungChecks, rung_checks_of
from paretune.search.trial.screening import ScreenedOut
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.search.trial.stage_study import StageStudy
    from paretune.spaces.base import EpochEnd


def evaluate(
    study: StageStudy, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
) -> Result:
    """Builds, deploys and measures a plan.

    Args:
        study: The open study.
        number: Of the trial; names its artifact.
        plan: What to do.
        baseline: Trial 0, against which latency and constraints are measured; None for itself.
        report: Told of stages and epochs.

    Raises:
        UserError: The baseline fails, or the disk is full.
    """
    watch = _watch(number, report)
    rung_checks = rung_checks_of(study, number, plan, baseline, watch)
    result = _result(study, number, plan, baseline, watch, rung_checks)
    if rung_checks and result.state != "paused":
        rung_checks.over()
    return result


def _result(
    study: StageStudy,
    number: int,
    plan: Plan,
    baseline: TrialRecord | None,
    watch: Watch,
    rung_checks: RungChecks | None,
) -> Result:
    begun = time.monotonic()
    try:
        artifacts, measured = _measured(study, number, plan, baseline, watch)
    except ScreenedOut as screened_out:
        return screened_out.result.after(watch.seconds, time.monotonic() - begun)
    except StageError as error:
        if rung_checks and rung_checks.stopped:
            return rung_checks.waits(time.monotonic() - begun)
        if baseline is None:
            raise UserError(f"the baseline fails in {error.stage}: {error.text}") from error
        return Result(
            "infeasible" if error.infeasible else "failed",
            reason=error.to_json(),
            seconds=watch.seconds,
            cached=tuple(watch.cached),
            duration=time.monotonic() - begun,
        )
    found = {m.name: m.value for m in measured}
    against = values_by_name(baseline.measurements) if baseline else found
    return Result(
        "complete",
        values_of(measured, study.spec.objectives),
        violations_of(study.spec.constraints, found, against),
        tuple(measured),
        artifact=next(iter(artifacts.values())),
        artifacts={name: stored for name, stored in artifacts.items() if name is not None},
        seconds=watch.seconds,
        cached=tuple(watch.cached),
        duration=time.monotonic() - begun,
    )


def _measured(
    study: StageStudy, number: int, plan: Plan, baseline: TrialRecord | None, watch: Watch
) -> tuple[dict[str | None, dict[str, Any]], list[Measurement]]:
    """Target -> its artifact, and what was measured on all of them."""
    study.pipeline.probe(plan, watch)
    study.screening.look(plan, baseline, watch)
    candidate = study.pipeline.candidate(plan, watch)
    deployed = list(study.deploy(plan, candidate, number, watch))
    with watch.stage("measure"):
        measured = [
            found
            for one in deployed
            for found in study.known.measured(number, plan, one, baseline, watch.made)
        ]
        wrong = [m.name for m in measured if not math.isfinite(m.value)]
        if wrong:
            raise InfeasibleCandidate(f"{', '.join(wrong)} came out as no finite number")
    return {t.name: study.artifact_json(artifact) for t, artifact, _ in deployed}, measured


def _watch(number: int, report: Reporter) -> Watch:
    def epoch(event: EpochEnd) -> None:
        report(
            EpochDone(
                number,
                event.stage,
                event.epoch,
                event.epochs,
                event.loss,
                event.accuracy,
                event.seconds,
            )
        )

    return Watch(
        started=lambda kind: report(StageStarted(number, kind)),
        epoch=epoch,
        done=lambda kind, seconds, cached: report(StageDone(number, kind, seconds, cached)),
    )
