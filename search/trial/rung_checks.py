"""RungChecks: where a trial of the built-in stages is measured while it trains, and may have to wait.

At a rung the network is taken as if its training ended there: the later stages are applied to a
copy, it is deployed as the plan says, and accuracy is measured on that file. Latency, size and the
like do not change any more once a network has its shape, so that one measurement is enough for all
networks of the same structure.

Off unless asked for, as it has not paid yet (`bench_search.py`, sides paretune and racing). On
studies/benchmark.yaml with digits, after some 80 s of processor time a side, the front has .331 and
.363 of the box with it and .339 and .358 without (seeds 0 and 1); its mean on the way is .246 and
.186 instead of .252 and .297. Pretraining is shared there, finetuning is a quarter of a trial's
time, measuring a third, and every whole training has free format_variants: to stop a trial gives up more
than it saves. With 27 epochs of finetuning (two widths, seed 0, 123 s) it is .612 and .627.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.building.network_structure import key_of, structure_of
from paretune.search.building.watch import HeldUp, Pace, StageError, Watch
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.racing.race import Judge
from paretune.search.study.plan import Plan
from paretune.search.study.raced_stage import raced_stage
from paretune.search.study.records import RACING, Result, TrialRecord
from paretune.search.study.spec import digest
from paretune.search.study.technique_stages import stand_in
from paretune.search.trial.screening import shortened
from paretune.spaces.base import Candidate, InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.measuring.targets import Target
    from paretune.search.trial.stage_study import StageStudy


class RungChecks:
    """The rungs of one trial's training.

    Args:
        study: The open study.
        plan: What the trial does.
        baseline: Trial 0.
        watch: Of the trial; interrupts the training from now on.
        judge: Who decides at a rung.
        pace: The training stage, and the rungs that lie ahead.

    Attributes:
        stopped: Why the trial is to wait; None where it is not.
    """

    def __init__(
        self,
        study: StageStudy,
        plan: Plan,
        baseline: TrialRecord,
        watch: Watch,
        judge: Judge,
        pace: tuple[str, list[int]],
    ) -> None:
        self.stopped: str | None = None
        self._study = study
        self._plan = plan
        self._baseline = baseline
        self._watch = watch
        self._judge = judge
        self._values: dict[str, float | None] = {}
        self._exact: set[str] = set()
        self._stage, rungs = pace
        spec = study.spec
        self._names = [o.name for o in spec.objectives] + [c.quantity for c in spec.constraints]
        watch.pace = Pace(self._stage, rungs, self._look)

    def waits(self, duration: float) -> Result:
        """What has come of the trial so far, with the values that it had last."""
        spec, known = self._study.spec, self._values
        exact = {n: v for n, v in known.items() if n in self._exact and v is not None}
        return Result(
            "paused",
            {o.name: v for o in spec.objectives if (v := known.get(o.name)) is not None},
            violations_of(
                [c for c in spec.constraints if c.quantity in exact],
                exact,
                values_by_name(self._baseline.measurements),
            ),
            reason={"stage": self._stage, "type": RACING, "text": self.stopped or ""},
            seconds=self._watch.seconds,
            cached=tuple(self._watch.cached),
            duration=duration,
        )

    def over(self) -> None:
        """The trial has ended: what its training had come to at a rung is wanted no more."""
        self._study.forget(self._plan)

    def _look(self, candidate: Candidate, epoch: int, seconds: float) -> None:
        """Measures the candidate, and compares it.

        Raises:
            HeldUp: It is to wait.
            InfeasibleCandidate: It cannot be deployed.
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
        objectives = [objective.name for objective in self._study.spec.objectives]
        self.stopped = self._judge(epoch, {n: self._values[n] for n in objectives})
        if self.stopped is not None:
            raise HeldUp(self.stopped)

    def _measured(self, candidate: Candidate, seconds: float) -> dict[str, float | None]:
        """Objectives and what constraints name, of the candidate as it is."""
        study = self._study
        early = study.pipeline.ended_early(self._plan, self._stage, candidate)
        made = {**self._watch.made, self._stage: seconds}
        found: dict[str, float | None] = {}
        with tempfile.TemporaryDirectory() as folder:
            for target in study.targets:
                suited = target.deployment.unmarked(early)
                path = Path(folder) / f"rung{target.deployment.suffix}"
                artifact = study.pipeline.deploy(
                    self._plan, suited, path, Watch(), target.deployment
                )
                found |= self._of_target(target, artifact, suited, made)
        return found

    def _of_target(
        self, target: Target, artifact: Artifact, candidate: Candidate, made: Mapping[str, float]
    ) -> dict[str, float | None]:
        study = self._study
        exact, learnt = target.gauge.parted(self._names)
        exact = replace(exact, quantities=tuple((n, shortened(n, o)) for n, o in exact.quantities))

        def measured(gauge: Any) -> dict[str, float | None]:
            only = replace(target, gauge=gauge)
            given = study.measure(only, artifact, candidate.model, self._baseline, made)
            return {m.name: m.value if math.isfinite(m.value) else None for m in given}

        own = structure_of(candidate.model)
        structure = key_of(self._plan, own, study.data.shape, target.deployment, study.host)
        if structure is None:  # the weights decide some of it
            known = measured(exact)
        else:
            key = digest([structure, target.name, exact.quantities])
            known = study.cache.memo(f"exact.{key}", lambda: measured(exact))
        self._exact |= known.keys()
        return {**known, **measured(learnt)}


def rung_checks_of(
    study: StageStudy, number: int, plan: Plan, baseline: TrialRecord | None, watch: Watch
) -> RungChecks | None:
    """The rung_checks of a trial; None for one that goes to its end, as every one without racing."""
    race, kind = study.race, raced_stage(study.spec.space)
    if race is None or baseline is None or not number:
        return None
    whole = _epochs(plan, kind)
    if not whole or study.trained(plan):
        return None
    judge = race.judge(number, {}, whole)
    return RungChecks(study, plan, baseline, watch, judge, (kind, race.ahead(number, whole)))


def _epochs(plan: Plan, kind: str) -> int:
    """Epochs of the training that races; 0 where the plan has none that can be held up."""
    kinds = [stage.kind for stage in plan.stages]
    if kind not in kinds:
        return 0
    index = kinds.index(kind)
    later = [stage for stage in plan.stages[index + 1 :] if stage.kind != "deploy"]
    if any(stand_in(stage.kind, stage.params) is None for stage in later):
        return 0
    recipe = plan.stages[index].params["recipe"]
    return int(recipe["epochs"]) if recipe else 0
