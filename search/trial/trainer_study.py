"""An open study with the user's own trainer."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.building.watch import StageError, Watch
from paretune.search.errors import UserError
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import RACING, Result, TrialRecord
from paretune.search.study.seed_results import SeedResult, SeedState, repeat_seed
from paretune.search.study.spec import TrainerSpec, digest
from paretune.search.study.stage import Stage
from paretune.search.trial.events import Reporter, StageDone, StageStarted, StepDone
from paretune.search.trial.open_study import OpenStudy
from paretune.search.trial.trainer import Report, Step, Stop
from paretune.search.trial.trainer_functions import (
    CHEAP,
    EVALUATE,
    NO_SEED,
    SEED,
    refuse_without_seed,
    requires_seed,
    takes_seed,
    trainer_function,
    trainer_results,
)


class TrainerStudy(OpenStudy):
    """A study in which the user's own code trains and measures the candidates.

    Args:
        spec: The study; `spec.trainer` names the functions.

    Raises:
        UserError: The database cannot be used, holds another study, or a function cannot be loaded.
    """

    packages = ("paretune", "optuna")

    def prepare(self) -> None:
        """Loads the functions."""
        trainer = self._trainer
        self._evaluate = trainer_function(EVALUATE, trainer.evaluate)
        self._cheap = None if trainer.cheap is None else trainer_function(CHEAP, trainer.cheap)
        if self._cheap is not None:
            self.cheap = self._cheap_values
        if self.spec.repeats > 1:
            refuse_without_seed(trainer.evaluate, self._evaluate)
        self._results = trainer_results(self.spec)
        self.baseline = None if trainer.baseline is None else self.plan(trainer.baseline)

    @property
    def _required_seed(self) -> dict[str, int]:
        """The seed as an argument, for a function that cannot be called without it."""
        return {SEED: self.spec.seed} if requires_seed(self._evaluate) else {}

    @property
    def _trainer(self) -> TrainerSpec:
        assert self.spec.trainer is not None, "open_study checks it"
        return self.spec.trainer

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """Returns a plan of one stage; its parameters are the choices."""
        return Plan((Stage(EVALUATE, dict(choices)),))

    def stages(self, plan: Plan) -> Sequence[str]:
        """Returns the functions, in the order of their calls."""
        return [EVALUATE] if self._cheap is None else [CHEAP, EVALUATE]

    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """Returns nothing: only the trainer has data."""
        return ()

    def is_repeatable(self, plan: Plan) -> bool:
        """Returns True: what a plan trains is up to the trainer."""
        return True

    def repeat_setting(self) -> str:
        """Returns a digest of the seed and of the names of the values."""
        names = [axis.name for axis in self.axes]
        return digest([self.spec.seed, names, dict(self._trainer.quantities)])[:16]

    def repeat(self, trial: TrialRecord, repeat: int, report: Reporter) -> SeedResult:
        """Calls `evaluate` again with another seed; what `cheap` returns is not repeated."""
        plan, begun = Plan.from_json(trial.plan), time.monotonic()
        watch = self._watch(trial.number, report)
        seed = repeat_seed(self.spec.seed, repeat)
        hook = Report(
            int(plan.key[:8], 16) ^ seed,
            self.spec.folder / "trainer" / f"{plan.key[:16]}-repeat-{repeat}",
            lambda steps: None,  # the learning curve is that of the trial
            lambda step: report(StepDone(trial.number, EVALUATE, *step)),
        )
        arguments = {SEED: seed} if takes_seed(self._evaluate) else {}
        try:
            with watch.stage(EVALUATE):
                cheap = self.cheap_measurements(plan)
                answer = self._evaluate(_copied(plan), hook, **arguments)
                measured = self._results.all(answer, cheap, self._trainer.evaluate)
                self._refuse_unread_seed(hook)
        except StageError as error:
            state: SeedState = "infeasible" if error.infeasible else "failed"
            spent = time.monotonic() - begun - watch.held
            return SeedResult(repeat, state, reason=error.to_json(), seconds=spent)
        trained = {name: m for name, m in measured.items() if name not in cheap}
        return SeedResult(
            repeat, "complete", trained, seconds=time.monotonic() - begun - watch.held
        )

    def facts(self) -> Mapping[str, Any]:
        """Returns the names of the functions."""
        trainer = self._trainer
        cheap = {CHEAP: trainer.cheap} if trainer.cheap else {}
        return {"trainer": {EVALUATE: trainer.evaluate, **cheap}}

    # -- a trial ---------------------------------------------------------------------------------

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Calls `cheap`, checks the constraints on its values, and calls `evaluate`."""
        begun = time.monotonic()
        watch = self._watch(number, report)
        measured: dict[str, Measurement] = {}
        hook: Report | None = None
        try:
            if self._cheap is not None:
                with watch.stage(CHEAP):
                    measured = self.cheap_measurements(plan)
            broken = self._violations(measured, baseline)
            screened_out = [text for text, violation in broken.items() if violation > 0]
            if screened_out and number > 0:
                text = f"breaks {'; '.join(screened_out)} before any training"
                reason = {"stage": CHEAP, "type": "Constraint", "text": text}
                result = Result("infeasible", {}, broken, tuple(measured.values()), reason)
            else:
                hook = self._hook(number, plan, measured, report)
                with watch.stage(EVALUATE):
                    measured = self._trained(plan, measured, hook)
                result = self._complete(measured, baseline)
        except StageError as error:
            if number == 0:
                raise UserError(f"the baseline fails in {error.stage}: {error.text}") from error
            broken = self._violations(measured, baseline)
            result = self._ended(error, hook, measured, broken)
        return result.with_seconds(watch.seconds, time.monotonic() - begun - watch.held)

    def _refuse_unread_seed(self, hook: Report) -> None:
        """Refuses a study with repeats whose trainer has not read a seed.

        Raises:
            UserError: It has not; each training would be the same.
        """
        if self.spec.repeats > 1 and not hook.seed_read and not takes_seed(self._evaluate):
            raise UserError(NO_SEED.format(name=self._trainer.evaluate))

    def _watch(self, number: int, report: Reporter) -> Watch:
        return Watch(
            started=lambda kind: report(StageStarted(number, kind)),
            done=lambda kind, seconds, cached: report(StageDone(number, kind, seconds, cached)),
            between_stages=self.control.between_stages,
        )

    def _hook(
        self, number: int, plan: Plan, measured: Mapping[str, Measurement], report: Reporter
    ) -> Report:
        """Returns the `report` argument for the trainer of a trial."""

        def show(step: Step) -> None:
            report(StepDone(number, EVALUATE, *step))

        def before() -> tuple[int, float]:
            steps = self.store.steps(number)  # before a pause, if the trial is resumed
            return (steps[-1]["step"], steps[-1]["seconds"]) if steps else (0, 0.0)

        hook = Report(
            int(plan.key[:8], 16) ^ self.spec.seed,
            self.spec.folder / "trainer" / plan.key[:16],
            lambda steps: self.store.add_steps(number, steps),
            show,
            before,
        )
        if self.race is not None and number > 0:
            exact = values_by_name(measured)
            hook.pause_check = self.race.pause_check(number, exact)
        return hook

    def _trained(
        self, plan: Plan, measured: Mapping[str, Measurement], hook: Report
    ) -> dict[str, Measurement]:
        try:
            answer = self._evaluate(_copied(plan), hook, **self._required_seed)
        finally:
            hook.flush()
        self._refuse_unread_seed(hook)
        return self._results.all(answer, measured, self._trainer.evaluate)

    def _complete(
        self, measured: Mapping[str, Measurement], baseline: TrialRecord | None
    ) -> Result:
        against = baseline.measurements if baseline else measured
        values = {axis.name: measured[axis.name].value for axis in self.axes}
        broken = violations_of(
            self.spec.constraints, values_by_name(measured), values_by_name(against)
        )
        return Result("complete", values, broken, tuple(measured.values()))

    def _ended(
        self,
        error: StageError,
        hook: Report | None,
        measured: Mapping[str, Measurement],
        broken: Mapping[str, float],
    ) -> Result:
        """Returns the result of a trial that racing paused, or in which a function failed."""
        measurements = tuple(measured.values())
        if hook is None or hook.pause_reason is None:
            infeasible = error.infeasible or error.type == Stop.__name__
            return Result(
                "infeasible" if infeasible else "failed", {}, broken, measurements, error.to_json()
            )
        last = {**hook.last, **values_by_name(measured)}
        values = {a.name: v for a in self.axes if (v := last.get(a.name)) is not None}
        reason = {"stage": error.stage, "type": RACING, "text": hook.pause_reason}
        return Result("paused", values, broken, measurements, reason)

    def cheap_measurements(self, plan: Plan) -> dict[str, Measurement]:
        """Returns what `cheap` returns for a plan; nothing if there is no such function."""
        if self._cheap is None:
            return {}
        return self._results.some(self._cheap(_copied(plan)), str(self._trainer.cheap))

    def _cheap_values(self, choices: Mapping[str, Any]) -> dict[str, float]:
        """Returns the cheap values of choices, for the sampler."""
        return values_by_name(self.cheap_measurements(self.plan(choices)))

    def _violations(
        self, measured: Mapping[str, Measurement], baseline: TrialRecord | None
    ) -> dict[str, float]:
        """Returns constraint text -> violation, for constraints on measured quantities."""
        against = baseline.measurements if baseline else measured
        decided = [c for c in self.spec.constraints if c.quantity in measured]
        return violations_of(decided, values_by_name(measured), values_by_name(against))


def _copied(plan: Plan) -> dict[str, Any]:
    """Returns a copy of a plan's choices, which the user's code may change."""
    return copy.deepcopy(dict(plan.stages[0].params))
