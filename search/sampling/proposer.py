"""Asks the sampler for the next trial, and tells it the results of trials.

Optuna's samplers read an in-memory Optuna study with the trials of the search, without the
baseline, which lies outside the space. Paretune's own samplers read a History. So a proposal costs
no database transaction.

Optuna does not store a sampler's state. So each trial gets a new sampler, seeded from the study's
seed and the trial's number: a resumed run proposes what an uninterrupted one would have.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from paretune.search.sampling.hints import HINT, Hint
from paretune.search.sampling.memory import MEMORY, trials_to_keep
from paretune.search.sampling.pool import CheapObjectives
from paretune.search.sampling.prior import STARTUP, Prior
from paretune.search.sampling.samplers import SAMPLERS, grid, make_sampler
from paretune.search.sampling.seed_noise import SeedNoise
from paretune.search.sampling.subnet_estimates import SubnetEstimates
from paretune.search.sampling.thompson import ThompsonSampler
from paretune.search.sampling.training_prices import TrainingCost
from paretune.search.study.number_formats import variant_formats
from paretune.search.study.records import Result
from paretune.search.study.spec import StudySpec
from paretune.spaces.domains import Choice, Domain, Float, Int, Node, assign, parameters

_STATES = {
    "complete": TrialState.COMPLETE,
    "infeasible": TrialState.PRUNED,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "paused": TrialState.PRUNED,  # Optuna's samplers count it as a bad trial
}


_PRIOR = 1
"""Tells the random stream of draws from beliefs from that of a sampler."""


class Exhausted(Exception):
    """There is no assignment left to propose."""


@dataclass(frozen=True)
class Proposal:
    """An assignment that a sampler proposes.

    Attributes:
        choices: The concrete value of the space, for `make_plan`.
        params: Parameter name -> value, of the parameters that exist in the branches taken.
        suggested: Parameter name -> value, of all parameters that the sampler was asked for.
        attributes: The sampler's own attributes, such as the generation of NSGA-II.
        hint: Key of the plan to try first that it is (sampling/hints.py); None if it is none.
    """

    choices: Mapping[str, Any]
    params: Mapping[str, Any]
    suggested: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what a resumed run needs to tell a new sampler about this trial."""
        hint = {} if self.hint is None else {HINT: self.hint}
        return {"params": dict(self.suggested), "attributes": dict(self.attributes), **hint}


@dataclass(frozen=True)
class Outcome:
    """The result of a trial, as samplers need it.

    Attributes:
        state: "complete", "infeasible", "stopped", "paused" or "failed".
        values: Objective values in order; None if there are none.
        violations: Constraint text -> violation; positive is broken.
        seconds: Time that the trial took; None if that is not known.
    """

    state: str
    values: Sequence[float] | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None

    @classmethod
    def of(cls, result: Result) -> Outcome:
        """Returns the outcome of a trial that has ended or is paused."""
        untimed = result.repeat_of is not None or result.state == "paused"
        seconds = None if untimed else sum(result.seconds.values())
        values = list(result.values.values()) or None
        return cls(result.state, values, result.violations, seconds)

    @property
    def feasible(self) -> bool:
        """Whether the trial is complete and breaks no constraint."""
        if self.state != "complete" or not self.values:
            return False
        return all(v <= 0 for v in self.violations.values())


class Proposer:
    """Proposes assignments of a study's space.

    Args:
        spec: The study.
        cheap: Computes the objectives that need no training; None if there are none.
        cost: Computes the training that a plan still needs; None if that is not known.
        grid_start: The number of the last trial before a grid began.
        estimates: What is known of an elastic network's subnets before their trials; None if
            nothing is.
        overhead: What a trial takes besides training, as a training cost.

    Raises:
        UserError: The sampler does not have the options of the study file.
    """

    def __init__(
        self,
        spec: StudySpec,
        cheap: CheapObjectives | None = None,
        cost: TrainingCost | None = None,
        grid_start: int = 0,
        estimates: SubnetEstimates | None = None,
        overhead: float = 0.0,
    ) -> None:
        self._estimates = estimates
        self._spec = spec
        self._grid_start = grid_start
        self._options = optuna_options(spec.sampler)
        make_sampler(spec.sampler.name, 0, spec.trials, self._options)  # refuses options at once
        cost_aware = spec.sampler.name == "auto" and spec.sampler.params.get("cost_aware", True)
        surrogate = surrogate_of(
            spec.sampler, len(spec.objectives), cheap is not None, cost is not None
        )
        self._choice = SamplerChoice(spec.sampler, surrogate, expected=cost is None)
        self.prior = Prior(spec.space, spec.prior) if spec.prior else None
        self._thompson = ThompsonSampler(
            spec.space,
            {o.name: o.direction for o in spec.objectives},
            spec.constraints,
            thompson_options(spec.sampler, surrogate),
            spec.seed,
            cheap,
            cost if cost_aware else None,
            variant_formats(spec) if spec.format_variants is True else (),
            self.prior,
            estimates,
            overhead,
        )
        self._baseline: Mapping[str, float] = {}
        self._asked: dict[int, Proposal] = {}
        self._domains = {p.name: p.domain for p in parameters(spec.space)}
        self._distributions = distributions_of(spec.space)
        self._study = self._empty_study()
        self._waiting: list[FrozenTrial] = []  # added to the study when Optuna is asked next
        self._open: dict[int, optuna.Trial] = {}
        self._grid = grid(spec.space) if spec.sampler.name == "grid" else None

    def set_baseline(self, baseline: Mapping[str, float]) -> None:
        """Sets the baseline's values, to which constraints may refer."""
        self._baseline = baseline
        self._thompson.set_baseline(baseline)

    def learn_seeds(
        self,
        noise: SeedNoise | None,
        means: Sequence[tuple[Mapping[str, Any], Sequence[float], int]],
    ) -> None:
        """Lets Paretune's own samplers learn from plans that were trained more than once.

        Args:
            noise: The variance between seeds; None if it is not known.
            means: Parameters, mean of each objective and number of trainings of such trials.
        """
        self._thompson.noise = noise
        for params, values, trainings in means:
            known = {k: v for k, v in params.items() if k in self._distributions}
            self._thompson.history.trained_again(self._active(known), values, trainings)

    def ask(self, number: int, attempt: int = 0) -> Proposal:
        """Returns the proposal for this trial number.

        Args:
            number: Trial number.
            attempt: How many proposals for this number were withdrawn before.

        Raises:
            Exhausted: A grid has no assignment left.
        """
        name = self._choice.sampler(number)
        if self._grid is not None:
            proposal = self._from_grid(number)
        elif SAMPLERS[name].native:
            proposal = self._from_native(number, name, attempt)
        else:
            proposal = self._from_optuna(number, name, attempt)
        self._asked[number] = proposal
        self._thompson.history.proposed.add(key_of(proposal.params))
        if self.prior is not None and not SAMPLERS[name].native and number <= STARTUP:
            random = np.random.default_rng([self._seed(number, attempt), _PRIOR])
            return self.replace(number, self.prior.draw(random))
        return proposal

    def suggest(self, number: int, hint: Hint, attempt: int = 0) -> Proposal:
        """Proposes a plan to try first for this number.

        Args:
            number: Trial number.
            hint: The plan; it decides all parameters of its branches.
            attempt: How many proposals for this number were withdrawn before.
        """
        name = self._choice.sampler(number)
        if self._grid is None and not SAMPLERS[name].native:
            self.ask(number, attempt)  # a sampler of Optuna counts the trials that it was asked for
        proposal = replace(self.replace(number, hint.params), hint=hint.key)
        self._asked[number] = proposal
        return proposal

    def _from_native(self, number: int, name: str, attempt: int) -> Proposal:
        random = np.random.default_rng(self._seed(number, attempt))
        if name == "thompson":
            choices, params = self._thompson.propose(number, random, attempt)
        else:
            choices, params = self._thompson.propose_mutation(random)
        return Proposal(choices, params, params)

    def _from_optuna(self, number: int, name: str, attempt: int) -> Proposal:
        seed = self._spec.seed if name == "qmc" else self._seed(number, attempt)
        self._study.sampler = make_sampler(name, seed, self._spec.trials, self._options)
        self._study.add_trials(self._waiting)
        self._waiting = []
        with warnings.catch_warnings():
            # Experimental features of Optuna 5 that are used (constant_liar is one).
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

    def replace(self, number: int, params: Mapping[str, Any]) -> Proposal:
        """Proposes another assignment for this number than the sampler did, if it did.

        Args:
            number: Trial number.
            params: Parameter name -> value, of the parameters that exist in the branches taken.
        """
        suggested, attributes = dict(params), {}
        if number in self._asked:
            first = self._asked[number]
            self.withdraw(number)
            attributes = dict(first.attributes)
            if SAMPLERS[self._choice.sampler(number)].flat:  # it learns from all parameters
                suggested = {**first.suggested, **params}
        choices = assign(self._spec.space, lambda name, _: params[name])
        proposal = Proposal(choices, dict(params), suggested, attributes)
        self._asked[number] = proposal
        self._thompson.history.proposed.add(key_of(params))
        return proposal

    def withdraw(self, number: int) -> None:
        """Withdraws the proposal for this number, as another worker runs it or has the number."""
        self._thompson.history.withdraw(self._asked.pop(number).params)
        trial = self._open.pop(number, None)
        if trial is not None:
            self._study.tell(trial, state=TrialState.FAIL)  # Optuna's samplers ignore it then

    def tell(self, number: int, outcome: Outcome) -> bool:
        """Lets the sampler learn from a trial.

        Returns:
            False if the trial was not proposed here; use `replay` then.
        """
        proposal = self._asked.pop(number, None)
        if proposal is None:
            return False
        self._learn(proposal.params, outcome)
        trial = self._open.pop(number, None)
        if trial is None:  # Optuna did not propose it
            self._add_to_optuna(proposal.to_json(), outcome)
            return True
        for text, violation in outcome.violations.items():
            trial.set_constraint(text, violation)
        state = _STATES[outcome.state]
        values = list(outcome.values) if outcome.values and outcome.state == "complete" else None
        self._study.tell(trial, values, state=state)
        self._limit_memory()
        return True

    def replay(self, proposal: Mapping[str, Any], outcome: Outcome) -> None:
        """Lets the sampler learn from a trial of an earlier run or of another worker.

        Args:
            proposal: From `Proposal.to_json`.
            outcome: The result of the trial.
        """
        params = {k: v for k, v in proposal["params"].items() if k in self._distributions}
        self._learn(self._active(params), outcome)
        self._add_to_optuna(proposal, outcome)

    def _learn(self, params: Mapping[str, Any], outcome: Outcome) -> None:
        """Adds a trial for the native samplers, and for the choice of the sampler."""
        if self._estimates is not None and self._estimates.refresh():
            self._thompson.encode_again()
        self._choice.add_trial(outcome.seconds)
        history = self._thompson.history
        if outcome.state == "paused":
            if outcome.values and len(outcome.values) == len(self._spec.objectives):
                history.add_estimate(params, outcome.values)
        elif outcome.state != "failed":  # the error may not occur again: nothing to learn
            values = self._known_values(outcome)
            history.add(params, values, outcome.feasible, self._is_explained(outcome))

    def _known_values(self, outcome: Outcome) -> Sequence[float] | None:
        """Returns the objectives in order, NaN for those that are not known; None if none is.

        Of a trial that was screened out, the values follow from its violations. Only these are
        stored, so that a resumed run learns the same.
        """
        if outcome.state == "complete":
            return outcome.values
        if outcome.values or all(violation <= 0 for violation in outcome.violations.values()):
            return None  # racing stopped it, or the candidate cannot exist
        names = [objective.name for objective in self._spec.objectives]
        values = {
            c.quantity: c.value(outcome.violations[c.text], self._baseline.get(c.quantity, 0.0))
            for c in self._spec.constraints
            if c.quantity in names and c.text in outcome.violations
        }
        return [values.get(name, math.nan) for name in names] if values else None

    def _is_explained(self, outcome: Outcome) -> bool:
        """Returns whether every broken constraint is one on an objective."""
        names = [objective.name for objective in self._spec.objectives]
        texts = [c.text for c in self._spec.constraints if c.quantity in names]
        return not any(v > 0 and text not in texts for text, v in outcome.violations.items())

    def _active(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the parameters that exist in the branches taken, of all that were suggested."""
        active: dict[str, Any] = {}

        def choose(name: str, _: Domain) -> Any:
            active[name] = params[name]
            return params[name]

        assign(self._spec.space, choose)
        return active

    def _add_to_optuna(self, proposal: Mapping[str, Any], outcome: Outcome) -> None:
        """Adds a trial for Optuna's samplers, if one of them may be asked again.

        It is added to Optuna's study only then: `auto` may not ask them for thousands of trials.
        """
        if not self._choice.may_use_optuna:
            return
        attributes = dict(proposal["attributes"])
        for text, violation in outcome.violations.items():
            attributes[f"constraints:{text}"] = violation
        params = {k: v for k, v in proposal["params"].items() if k in self._distributions}
        complete = outcome.state == "complete"
        self._waiting.append(
            optuna.trial.create_trial(
                state=_STATES[outcome.state],
                values=list(outcome.values) if complete and outcome.values else None,
                params=params,
                distributions={name: self._distributions[name] for name in params},
                system_attrs=attributes,
            )
        )
        self._limit_memory()

    def _empty_study(self) -> optuna.Study:
        return optuna.create_study(
            directions=[objective.direction for objective in self._spec.objectives],
            storage=optuna.storages.InMemoryStorage(),
        )

    @property
    def learned_trials(self) -> list[FrozenTrial]:
        """The trials that Optuna's samplers learn from."""
        return [*self._study.get_trials(deepcopy=False), *self._waiting]

    def _limit_memory(self) -> None:
        """Limits the trials of `auto`, so that the time of a proposal does not grow."""
        if self._spec.sampler.name != "auto" or self._open:
            return
        trials = self.learned_trials
        if len(trials) >= 2 * MEMORY:
            self._waiting = trials_to_keep(trials, self._study.directions)
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
        index = number - 1 - self._grid_start
        if index >= len(self._grid):
            raise Exhausted
        params = self._grid[index]
        choices = assign(self._spec.space, lambda name, domain: params[name])
        return Proposal(choices, params, params)

    def _seed(self, number: int, attempt: int) -> int:
        text = f"{self._spec.seed}:{number}{f':{attempt}' if attempt else ''}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def distributions_of(space: Node) -> dict[str, BaseDistribution]:
    """Returns the Optuna distribution of every parameter of a space."""
    return {p.name: distribution(p.domain) for p in parameters(space)}


def distribution(domain: Domain) -> BaseDistribution:
    """Returns the Optuna distribution of a domain; a choice is suggested by label."""
    match domain:
        case Float(low, high, log, step):
            return FloatDistribution(low, high, log=log, step=step)
        case Int(low, high, log, step):
            return IntDistribution(low, high, log=log, step=step)
        case Choice():
            return CategoricalDistribution(domain.labels)
