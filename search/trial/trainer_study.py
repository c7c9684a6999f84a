"""A study of the user's own trainer opened for work: calls its functions, decides on failures."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.building.watch import StageError, Watch
from paretune.search.errors import UserError
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import RACING, Result, TrialRecord
from paretune.search.study.spec import TrainerSpec
from paretune.search.study.stage import Stage
from paretune.search.trial.events import Reporter, StageDone, StageStarted, StepDone
from paretune.search.trial.open_study import OpenStudy
from paretune.search.trial.trainer import Answers, Report, Step, Stop, load_function

EVALUATE, CHEAP = "evaluate", "cheap"


class TrainerStudy(OpenStudy):
    """A study whose candidates are trained and measured by the user's own code.

    Args:
        spec: The study; `spec.trainer` says whose.

    Raises:
        UserError: The database cannot be used or holds another study, or a function is not there.
    """

    packages = ("paretune", "optuna")

    def prepare(self) -> None:
        """Finds the functions."""
        own = self._own
        self._evaluate = _takes(load_function(EVALUATE, own.evaluate), own.evaluate, 2)
        self._cheap = (
            _takes(load_function(CHEAP, own.cheap), own.cheap, 1) if own.cheap is not None else None
        )
        if self._cheap is not None:
            self.cheap = self._cheap_values
        self._answers = Answers(
            {
                **{axis.name: (axis.unit, axis.better) for axis in self.axes},
                **{name: (unit, "lower") for name, unit in own.quantities.items()},
            }
        )
        self.baseline = None if own.baseline is None else self.plan(own.baseline)

    @property
    def _own(self) -> TrainerSpec:
        assert self.spec.trainer is not None, "open_study looks"
        return self.spec.trainer

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """One stage, whose parameters are the choices."""
        return Plan((Stage(EVALUATE, dict(choices)),))

    def stages(self, plan: Plan) -> Sequence[str]:
        """The functions, in the order they are called."""
        return [EVALUATE] if self._cheap is None else [CHEAP, EVALUATE]

    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """Nothing: what data there is, the trainer knows."""
        return ()

    def facts(self) -> Mapping[str, Any]:
        """Whose code it was."""
        own = self._own
        return {"trainer": {EVALUATE: own.evaluate, **({CHEAP: own.cheap} if own.cheap else {})}}

    # -- a trial ---------------------------------------------------------------------------------

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Calls `cheap`, looks at the constraints on it, and calls `evaluate`."""
        begun = time.monotonic()
        watch = Watch(
            started=lambda kind: report(StageStarted(number, kind)),
            done=lambda kind, seconds, cached: report(StageDone(number, kind, seconds, cached)),
        )
        known: dict[str, Measurement] = {}
        hook: Report | None = None
        try:
            if self._cheap is not None:
                with watch.stage(CHEAP):
                    known = self._known(plan)
            broken = self._violations(known, baseline)
            screened_out = [text for text, violation in broken.items() if violation > 0]
            if screened_out and number > 0:
                text = f"breaks {'; '.join(screened_out)} before any training"
                reason = {"stage": CHEAP, "type": "Constraint", "text": text}
                result = Result("infeasible", {}, broken, tuple(known.values()), reason)
            else:
                hook = self._hook(number, plan, known, report)
                with watch.stage(EVALUATE):
                    measured = self._trained(plan, known, hook)
                result = self._complete(measured, baseline)
        except StageError as error:
            if number == 0:
                raise UserError(f"the baseline fails in {error.stage}: {error.text}") from error
            broken = self._violations(known, baseline)
            result = self._ended(error, hook, known, broken)
        return result.after(watch.seconds, time.monotonic() - begun)

    def _hook(
        self, number: int, plan: Plan, known: Mapping[str, Measurement], report: Reporter
    ) -> Report:
        """What the trainer of a trial is given."""

        def tell(step: Step) -> None:
            report(StepDone(number, EVALUATE, *step))

        before = self.store.steps(number)  # of a trial that is taken up again
        hook = Report(
            int(plan.key[:8], 16) ^ self.spec.seed,
            self.spec.folder / "trainer" / plan.key[:16],
            lambda steps: self.store.add_steps(number, steps),
            tell,
            (before[-1]["step"], before[-1]["seconds"]) if before else (0, 0.0),
        )
        if self.race is not None and number > 0:
            exact = values_by_name(known)
            hook.pause_check = self.race.pause_check(number, exact)
        return hook

    def _trained(
        self, plan: Plan, known: Mapping[str, Measurement], hook: Report
    ) -> dict[str, Measurement]:
        try:
            given = self._evaluate(_copied(plan), hook)
        finally:
            hook.flush()
        return self._answers.whole(given, known, self._own.evaluate)

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
        known: Mapping[str, Measurement],
        broken: Mapping[str, float],
    ) -> Result:
        """What an error of a function, or its having been held up, means for the trial."""
        measured = tuple(known.values())
        if hook is None or hook.stopped is None:
            over = error.infeasible or error.type == Stop.__name__
            return Result("infeasible" if over else "failed", {}, broken, measured, error.to_json())
        last = {**hook.last, **values_by_name(known)}
        values = {a.name: v for a in self.axes if (v := last.get(a.name)) is not None}
        reason = {"stage": error.stage, "type": RACING, "text": hook.stopped}
        return Result("paused", values, broken, measured, reason)

    def _known(self, plan: Plan) -> dict[str, Measurement]:
        assert self._cheap is not None
        return self._answers.known(self._cheap(_copied(plan)), str(self._own.cheap))

    def _cheap_values(self, choices: Mapping[str, Any]) -> dict[str, float]:
        """For proposals; what is wrong with an answer a trial will tell."""
        return values_by_name(self._known(self.plan(choices)))

    def _violations(
        self, known: Mapping[str, Measurement], baseline: TrialRecord | None
    ) -> dict[str, float]:
        """Constraint text -> violation, of those that what is known decides."""
        against = baseline.measurements if baseline else known
        decided = [c for c in self.spec.constraints if c.quantity in known]
        return violations_of(decided, values_by_name(known), values_by_name(against))


def _takes(function: Callable[..., Any], name: str, arguments: int) -> Callable[..., Any]:
    """The function, when it can be called with so many arguments.

    Raises:
        UserError: It cannot.
    """
    what = "(plan, report)" if arguments == 2 else "(plan)"
    try:
        inspect.signature(function).bind(*range(arguments))
    except TypeError as error:
        raise UserError(f"{name} is called with {what}, and does not take that: {error}") from error
    except ValueError:
        pass  # a built-in that does not say what it takes
    return function


def _copied(plan: Plan) -> dict[str, Any]:
    """A plan's choices for the user's code to do with as it likes."""
    return copy.deepcopy(dict(plan.stages[0].params))
