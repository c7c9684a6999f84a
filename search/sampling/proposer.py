"""Proposer: asks the sampler for the next assignment, and tells it what came of it.

Optuna's samplers look at an in-memory Optuna study that holds the search's trials (not the
baseline, which lies outside the space), ours at a history of their own: a proposal costs no
database transaction.

Optuna does not store a sampler's state, so a fresh sampler is seeded for each trial from the
study's seed and the trial's number: a resumed run proposes what an uninterrupted one would have.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from paretune.search.sampling.auto import (
    SamplerChoice,
    optuna_options,
    surrogate_of,
    thompson_options,
)
from paretune.search.sampling.features import key_of
from paretune.search.sampling.memory import MEMORY, trials_to_keep
from paretune.search.sampling.pool import CheapObjectives
from paretune.search.sampling.samplers import SAMPLERS, grid, make_sampler
from paretune.search.sampling.thompson import ThompsonSampler, TrainingCost
from paretune.search.study.number_formats import variant_formats
from paretune.search.study.records import Result
from paretune.search.study.spec import StudySpec
from paretune.spaces.domains import Choice, Domain, Float, Int, Node, assign, parameters

_STATES = {
    "complete": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "paused": TrialState.PRUNED,  # to a sampler of Optuna's: none of the good ones
}


class Exhausted(Exception):
    """There is nothing left to propose."""


@dataclass(frozen=True)
class Proposal:
    """What the sampler said.

    Attributes:
        choices: The concrete value of the space, for `make_plan`.
        params: Parameter name -> value of the parameters that exist in the branches taken.
        suggested: The same with every parameter that the sampler was asked for.
        attributes: The sampler's own attributes (an NSGA-II generation, for one).
    """

    choices: Mapping[str, Any]
    params: Mapping[str, Any]
    suggested: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What a resumed run needs to tell a new sampler about this trial."""
        return {"params": dict(self.suggested), "attributes": dict(self.attributes)}


@dataclass(frozen=True)
class Outcome:
    """What came of a proposal.

    Attributes:
        state: "complete", "infeasible", "stopped", "paused" or "failed".
        values: Objective values in order.
        violations: Constraint text -> violation.
        seconds: What the trial took; None where that is not known.
    """

    state: str
    values: Sequence[float] | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None

    @classmethod
    def of(cls, result: Result) -> Outcome:
        """What the sampler is told of a trial that has ended, or waits."""
        unknown = result.repeat_of is not None or result.state == "paused"
        took = None if unknown else sum(result.seconds.values())
        values = list(result.values.values()) or None
        return cls(result.state, values, result.violations, took)

    @property
    def feasible(self) -> bool:
        """Complete, and no constraint broken."""
        return self.state == "complete" and all(v <= 0 for v in self.violations.values())


class Proposer:
    """Proposes assignments of a study's space.

    Args:
        spec: The study.
        cheap: The choices of a plan -> the objectives that are known without training; None where
            nothing is.
        cost: The choices of a plan -> how much training it has left; None where that is not known.

    Raises:
        UserError: The sampler does not take its options.
    """

    def __init__(
        self,
        spec: StudySpec,
        cheap: CheapObjectives | None = None,
        cost: TrainingCost | None = None,
    ) -> None:
        self._spec = spec
        self._options = optuna_options(spec.sampler)
        make_sampler(spec.sampler.name, 0, spec.trials, self._options)  # says so at once
        cost_aware = spec.sampler.name == "auto" and spec.sampler.params.get("cost_aware", True)
        model = surrogate_of(spec.sampler, cheap is not None, cost is not None)
        self._auto = SamplerChoice(spec.sampler, model)
        self._thompson = ThompsonSampler(
            spec.space,
            {o.name: o.direction for o in spec.objectives},
            spec.constraints,
            thompson_options(spec.sampler, model),
            spec.seed,
            cheap,
            cost if cost_aware else None,
            variant_formats(spec) if spec.format_variants is True else (),
        )
        self._baseline: Mapping[str, float] = {}
        self._asked: dict[int, Proposal] = {}
        self._domains = {p.name: p.domain for p in parameters(spec.space)}
        self._distributions = distributions_of(spec.space)
        self._study = self._empty_study()
        self._untaught: list[FrozenTrial] = []  # in it before Optuna is asked
        self._open: dict[int, optuna.Trial] = {}
        self._grid = grid(spec.space) if spec.sampler.name == "grid" else None

    def compare_with(self, baseline: Mapping[str, float]) -> None:
        """Gives the baseline's values, which constraints may refer to."""
        self._baseline = baseline
        self._thompson.compare_with(baseline)

    def ask(self, number: int, same: int = 0) -> Proposal:
        """The proposal for this trial number.

        Args:
            number: Of the trial.
            same: How often it was asked for this number before, and withdrawn.

        Raises:
            Exhausted: A grid has no assignment left.
        """
        name, turn = self._auto.sampler(number), same
        if self._grid is not None:
            proposal = self._from_grid(number)
        elif SAMPLERS[name].own:
            proposal = self._from_ours(number, name, turn)
        else:
            proposal = self._from_optuna(number, name, turn)
        self._asked[number] = proposal
        self._thompson.history.known.add(key_of(proposal.params))
        return proposal

    def _from_ours(self, number: int, name: str, turn: int) -> Proposal:
        random = np.random.default_rng(self._seed(number, turn))
        if name == "thompson":
            choices, params = self._thompson.proposed(number, random)
        else:
            choices, params = self._thompson.evolved(random)
        return Proposal(choices, params, params)

    def _from_optuna(self, number: int, name: str, turn: int = 0) -> Proposal:
        seed = self._spec.seed if name == "qmc" else self._seed(number, turn)
        self._study.sampler = make_sampler(name, seed, self._spec.trials, self._options)
        self._study.add_trials(self._untaught)
        self._untaught = []
        with warnings.catch_warnings():
            # Experimental features of Optuna 5 that are relied on (constant_liar among them).
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            trial = self._study.ask()
            if SAMPLERS[name].flat:
                for parameter, domain in self._domains.items():
                    self._suggest(trial, parameter, domain)
            params: dict[str, Any] = {}

            def choose(parameter: str, domain: Domain) -> Any:
                params[parameter] = self._suggest(trial, parameter, domain)
                return params[parameter]

            choices = assign(self._spec.space, choose)
        self._open[number] = trial
        attributes = {
            key: value
            for key, value in self._study.get_trials(deepcopy=False)[-1].system_attrs.items()
            if key.endswith(":generation") and isinstance(value, int)
        }
        return Proposal(choices, params, dict(trial.params), attributes)

    def renumber(self, asked: int, given: int) -> None:
        """The trial asked for as one number has got another."""
        if asked == given:
            return
        if asked in self._open:
            self._open[given] = self._open.pop(asked)
        if asked in self._asked:
            self._asked[given] = self._asked.pop(asked)

    def withdraw(self, number: int) -> None:
        """What was asked for as this number is not begun: another worker has taken it."""
        self._thompson.history.forget(self._asked.pop(number).params)
        trial = self._open.pop(number, None)
        if trial is not None:
            self._study.tell(trial, state=TrialState.FAIL)  # to Optuna, as if it had not been

    def tell(self, number: int, outcome: Outcome) -> bool:
        """Lets the sampler learn from a trial; False when it was not asked for here."""
        proposal = self._asked.pop(number, None)
        if proposal is None:
            return False
        self._learn(proposal.params, outcome)
        trial = self._open.pop(number, None)
        if trial is None:  # not Optuna's own proposal
            self._teach(proposal.to_json(), outcome)
            return True
        for text, violation in outcome.violations.items():
            trial.set_constraint(text, violation)
        state = _STATES[outcome.state]
        values = list(outcome.values) if outcome.values and outcome.state == "complete" else None
        self._study.tell(trial, values, state=state)
        self._forget()
        return True

    def replay(self, proposal: Mapping[str, Any], outcome: Outcome) -> None:
        """Lets the sampler learn from a trial of an earlier run or of another worker."""
        params = {k: v for k, v in proposal["params"].items() if k in self._distributions}
        self._learn(self._active(params), outcome)
        self._teach(proposal, outcome)

    def _learn(self, params: Mapping[str, Any], outcome: Outcome) -> None:
        """For the samplers of our own, and for choosing among all."""
        self._auto.add(outcome.seconds)
        if outcome.state == "paused":
            if outcome.values and len(outcome.values) == len(self._spec.objectives):
                self._thompson.history.guess(params, outcome.values)
        elif outcome.state != "failed":  # an error may not come again, and says nothing
            foreseeable = self._foreseeable(outcome)
            self._thompson.history.add(params, self._told(outcome), outcome.feasible, foreseeable)

    def _told(self, outcome: Outcome) -> Sequence[float] | None:
        """Objectives in order, and NaN for those that are not known; None where none is.

        Of a trial that ended because it breaks a bound, its violations tell what it was held
        against: they are kept, so that a resumed run learns the same.
        """
        if outcome.state == "complete":
            return outcome.values
        if outcome.values or all(violation <= 0 for violation in outcome.violations.values()):
            return None  # it was stopped in its training, or cannot be
        names = [objective.name for objective in self._spec.objectives]
        found = {
            c.quantity: c.value(outcome.violations[c.text], self._baseline.get(c.quantity, 0.0))
            for c in self._spec.constraints
            if c.quantity in names and c.text in outcome.violations
        }
        return [found.get(name, math.nan) for name in names] if found else None

    def _foreseeable(self, outcome: Outcome) -> bool:
        """Whether its objectives tell of all that is wrong with it."""
        names = [objective.name for objective in self._spec.objectives]
        told = [c.text for c in self._spec.constraints if c.quantity in names]
        return not any(v > 0 and text not in told for text, v in outcome.violations.items())

    def _active(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Of all that a flat sampler was asked for, what exists in the branches taken."""
        active: dict[str, Any] = {}

        def choose(name: str, _: Domain) -> Any:
            active[name] = params[name]
            return params[name]

        assign(self._spec.space, choose)
        return active

    def _teach(self, proposal: Mapping[str, Any], outcome: Outcome) -> None:
        """For Optuna's samplers, when they may be asked again.

        `auto` may not ask them for thousands of trials: only then are they told.
        """
        if not self._auto.optuna:
            return
        attributes = dict(proposal["attributes"])
        for text, violation in outcome.violations.items():
            attributes[f"constraints:{text}"] = violation
        params = {k: v for k, v in proposal["params"].items() if k in self._distributions}
        complete = outcome.state == "complete"
        self._untaught.append(
            optuna.trial.create_trial(
                state=_STATES[outcome.state],
                values=list(outcome.values) if complete and outcome.values else None,
                params=params,
                distributions={name: self._distributions[name] for name in params},
                system_attrs=attributes,
            )
        )
        self._forget()

    def _empty_study(self) -> optuna.Study:
        return optuna.create_study(
            directions=[objective.direction for objective in self._spec.objectives],
            storage=optuna.storages.InMemoryStorage(),
        )

    @property
    def learned_trials(self) -> list[FrozenTrial]:
        """The trials that Optuna's samplers learn from."""
        return [*self._study.get_trials(deepcopy=False), *self._untaught]

    def _forget(self) -> None:
        """Keeps what `auto` learns from bounded, so that a proposal's cost does not grow."""
        if self._spec.sampler.name != "auto" or self._open:
            return
        trials = self.learned_trials
        if len(trials) >= 2 * MEMORY:
            self._untaught = trials_to_keep(trials, self._study.directions)
            self._study = self._empty_study()

    def _suggest(self, trial: optuna.Trial, name: str, domain: Domain) -> Any:
        match domain:
            case Float(low, high, log, step):
                value = trial.suggest_float(name, low, high, log=log, step=step)
                return round(value, 12) if step else value
            case Int(low, high, log, step):
                return trial.suggest_int(name, low, high, log=log, step=step)
            case Choice():
                return trial.suggest_categorical(name, domain.labels)

    def _from_grid(self, number: int) -> Proposal:
        assert self._grid is not None
        if number > len(self._grid):
            raise Exhausted
        params = self._grid[number - 1]
        choices = assign(self._spec.space, lambda name, domain: params[name])
        return Proposal(choices, params, params)

    def _seed(self, number: int, turn: int = 0) -> int:
        text = f"{self._spec.seed}:{number}{f':{turn}' if turn else ''}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def distributions_of(space: Node) -> dict[str, BaseDistribution]:
    """The Optuna distribution of every parameter of a space."""
    return {p.name: distribution(p.domain) for p in parameters(space)}


def distribution(domain: Domain) -> BaseDistribution:
    """The Optuna distribution of a domain; a choice is suggested by label."""
    match domain:
        case Float(low, high, log, step):
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low, high, log, step):
            return IntDistribution(low, high, log=log, step=step)
        case Choice():
            return CategoricalDistribution(domain.labels)
