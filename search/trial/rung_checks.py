"""Rung checks: a trial with built-in stages is measured at rungs while it trains, and may pause.

At a rung the network is treated as if its training ended there. The later stages are applied to a
copy, the copy is deployed as the plan says, and accuracy is measured on that file. Latency, size
and other quantities of the structure no longer change, so one measurement serves all networks of
the same structure.

Racing is off by default, because it has not saved time yet (`bench_search.py`, sides paretune and
racing). Measured on studies/benchmark.yaml with digits and about 80 s of processor time per side:
with racing the front covers .331 and .363 of the box, without it .339 and .358 (seeds 0 and 1). The
mean over the run is .246 and .186 instead of .252 and .297. There trials share the pretraining,
finetuning is a quarter of a trial's time, and measuring a third. Every complete training has free
format variants, so stopping a trial loses more than it saves. With 27 epochs of finetuning (two
widths, seed 0, 123 s) the front covers .612 with racing and .627 without.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.building.network_structure import key_of, structure_of
from paretune.search.building.watch import Pace, StageError, TrainingPaused, Watch
from paretune.search.measuring.gauge import Gauge, values_by_name, violations_of
from paretune.search.measuring.quick import quick_options
from paretune.search.racing.race import PauseCheck
from paretune.search.study.plan import Plan
from paretune.search.study.raced_stage import raced_stage
from paretune.search.study.records import RACING, Result, TrialRecord
from paretune.search.study.spec import digest
from paretune.search.trial.workbench import Workbench
from paretune.spaces.base import Candidate, InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.measuring.targets import Target


class RungChecks:
    """The rungs of one trial's training.

    Args:
        workbench: The study's parts.
        plan: Plan of the trial.
        baseline: Trial 0.
        watch: Watch of the trial; from now on it interrupts the training at rungs.
        pause_check: Decides at a rung whether the trial goes on.
        pace: Kind of the training stage, and the rungs ahead.

    Attributes:
        pause_reason: Why the trial must pause; None while it goes on.
    """

    def __init__(
        self,
        workbench: Workbench,
        plan: Plan,
        baseline: TrialRecord,
        watch: Watch,
        pause_check: PauseCheck,
        pace: tuple[str, list[int]],
    ) -> None:
        self.pause_reason: str | None = None
        self._bench = workbench
        self._plan = plan
        self._baseline = baseline
        self._watch = watch
        self._pause_check = pause_check
        self._values: dict[str, float | None] = {}
        self._exact: set[str] = set()
        self._stage, rungs = pace
        spec = workbench.spec
        self._names = [o.name for o in spec.objectives] + [c.quantity for c in spec.constraints]
        watch.pace = Pace(self._stage, rungs, self._check)

    def paused(self, duration: float) -> Result:
        """Returns the result of the paused trial, with its values at the last rung."""
        spec, values = self._bench.spec, self._values
        exact = {n: v for n, v in values.items() if n in self._exact and v is not None}
        return Result(
            "paused",
            {o.name: v for o in spec.objectives if (v := values.get(o.name)) is not None},
            violations_of(
                [c for c in spec.constraints if c.quantity in exact],
                exact,
                values_by_name(self._baseline.measurements),
            ),
            reason={"stage": self._stage, "type": RACING, "text": self.pause_reason or ""},
            seconds=self._watch.seconds,
            cached=tuple(self._watch.cached),
            duration=duration,
        )

    def drop_snapshot(self) -> None:
        """Drops the snapshot of the training, because the trial has ended."""
        self._bench.forget(self._plan)

    def _check(self, candidate: Candidate, epoch: int, seconds: float) -> None:
        """Measures the candidate at a rung, and compares it with other trials.

        Raises:
            TrainingPaused: The trial must pause.
            InfeasibleCandidate: The candidate cannot be deployed.
        """
        begun, spent = time.perf_counter(), self._watch.seconds
        try:
            self._values = self._measured(candidate, seconds)
        except StageError as error:
            if error.infeasible:
                raise InfeasibleCandidate(f"{error.stage}: {error.text}") from error
            raise
        finally:
            spent["measure"] = spent.get("measure", 0.0) + time.perf_counter() - begun
        objectives = [objective.name for objective in self._bench.spec.objectives]
        self.pause_reason = self._pause_check(epoch, {n: self._values[n] for n in objectives})
        if self.pause_reason is not None:
            raise TrainingPaused(self.pause_reason)

    def _measured(self, candidate: Candidate, seconds: float) -> dict[str, float | None]:
        """Returns quantity -> value of the partly trained candidate, None if it is not finite."""
        bench = self._bench
        early = bench.pipeline.ended_early(self._plan, self._stage, candidate)
        stage_seconds = {**self._watch.stage_seconds, self._stage: seconds}
        values: dict[str, float | None] = {}
        with tempfile.TemporaryDirectory() as folder:
            for target in bench.targets:
                suited = target.deployment.in_supported_format(early)
                path = Path(folder) / f"rung{target.deployment.suffix}"
                artifact = bench.pipeline.deploy(
                    self._plan, suited, path, Watch(), target.deployment
                )
                values |= self._on_target(target, artifact, suited, stage_seconds)
        return values

    def _on_target(
        self,
        target: Target,
        artifact: Artifact,
        candidate: Candidate,
        stage_seconds: Mapping[str, float],
    ) -> dict[str, float | None]:
        bench, target = self._bench, target.without_load()
        fixed, trained = target.gauge.split_by_training(self._names)
        quick = tuple((name, quick_options(name, options)) for name, options in fixed.quantities)
        fixed = replace(fixed, quantities=quick)

        def measure(gauge: Gauge) -> dict[str, float | None]:
            measured_target = replace(target, gauge=gauge)
            subject = bench.subject(
                measured_target, artifact, candidate.model, self._baseline, stage_seconds
            )
            measurements = measured_target.measure(subject)
            return {m.name: m.value if math.isfinite(m.value) else None for m in measurements}

        structure = structure_of(candidate.model)
        key = key_of(
            self._plan, structure, bench.data.shape, target.deployment, target.host(bench.host)
        )
        if key is None:  # the weights decide some of it
            exact = measure(fixed)
        else:
            name = digest([key, target.name, fixed.quantities])
            exact = bench.cache.memo(f"exact.{name}", lambda: measure(fixed))
        self._exact |= exact.keys()
        return {**exact, **measure(trained)}


def rung_checks_of(
    workbench: Workbench, number: int, plan: Plan, baseline: TrialRecord | None, watch: Watch
) -> RungChecks | None:
    """Returns the rung checks of a trial; None if it trains to its end without a comparison."""
    race, kind = workbench.race, raced_stage(workbench.spec.space)
    if race is None or baseline is None or not number:
        return None
    epochs = _epochs(plan, kind)
    if not epochs or workbench.trained(plan):
        return None
    pause_check = race.pause_check(number, {}, epochs)
    return RungChecks(
        workbench, plan, baseline, watch, pause_check, (kind, race.remaining_rungs(number, epochs))
    )


def _epochs(plan: Plan, kind: str) -> int:
    """Returns the epochs of the raced training; 0 if the plan has none that can be paused."""
    kinds = [stage.kind for stage in plan.stages]
    if kind not in kinds:
        return 0
    index = kinds.index(kind)
    later = [stage for stage in plan.stages[index + 1 :] if stage.kind != "deploy"]
    if any(stage.stand_in is None for stage in later):
        return 0
    recipe = plan.stages[index].params["recipe"]
    return int(recipe["epochs"]) if recipe else 0
