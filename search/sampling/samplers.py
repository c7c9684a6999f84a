"""The samplers by name: which Optuna sampler, and whether it needs a space without conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial

from paretune.search.errors import UserError
from paretune.spaces.domains import Node, assignments

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class SamplerInfo:
    """How the engine has to treat a sampler.

    Attributes:
        make: (seed, wanted trials, options) -> sampler.
        flat: It learns only over parameters that every trial has, so branches that are not taken
            are proposed as well (and ignored by the plan).
        text: One line for `paretune list samplers`.
        own: It is none of Optuna's (search/sampling/thompson.py).
    """

    make: Callable[[int, int | None, Mapping[str, Any]], BaseSampler]
    flat: bool
    text: str
    own: bool = False


class _NumberedQMC(QMCSampler):
    """QMC whose place in the sequence is the trial's number: a resumed run goes on in it."""

    def _find_sample_id(self, study: optuna.Study, search_space: Any) -> int:
        return max(len(study.get_trials(deepcopy=False)) - 2, 0)


class _OrderedNSGAII(NSGAIISampler):
    """NSGA-II whose parents come in the same order when they are selected and when remembered.

    Optuna gives them by rank the first time and by number ever after, and crossover draws by
    place: a resumed run would go another way.
    """

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return _by_number(super().get_parent_population(study, generation))


class _OrderedNSGAIII(NSGAIIISampler):
    """NSGA-III with the same remedy."""

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return _by_number(super().get_parent_population(study, generation))


def _by_number(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return sorted(trials, key=lambda trial: trial.number)


def _tpe(seed: int, trials: int | None, options: Mapping[str, Any]) -> BaseSampler:
    return TPESampler(seed=seed, constant_liar=True, **options)


def _nsga2(seed: int, trials: int | None, options: Mapping[str, Any]) -> BaseSampler:
    return _OrderedNSGAII(seed=seed, **{"population_size": _population(trials), **options})


def _nsga3(seed: int, trials: int | None, options: Mapping[str, Any]) -> BaseSampler:
    return _OrderedNSGAIII(seed=seed, **{"population_size": _population(trials), **options})


def _population(trials: int | None) -> int:
    """A fifth of the trials, so that there are generations to learn over; Optuna's 50 at most."""
    return min(50, max(8, (trials or 250) // 5))


def _own(seed: int, trials: int | None, options: Mapping[str, Any]) -> BaseSampler:
    """Optuna's part in a search with a sampler of our own: none."""
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, SamplerInfo] = {
    "auto": SamplerInfo(
        _tpe,
        False,
        "forest for networks and where objectives are known untrained; else TPE; evolution if slow",
    ),
    "thompson": SamplerInfo(
        _own,
        False,
        "cheap objectives known, the others drawn from a model; takes what adds most hypervolume",
        own=True,
    ),
    "evolution": SamplerInfo(
        _own, False, "changes members of the front a little; half a millisecond a trial", own=True
    ),
    "tpe": SamplerInfo(
        _tpe, False, "tree-structured Parzen estimator (Bergstra 2011; multi-objective Ozaki 2022)"
    ),
    "nsga2": SamplerInfo(_nsga2, True, "NSGA-II genetic algorithm (Deb 2002)"),
    "nsga3": SamplerInfo(_nsga3, True, "NSGA-III, for four and more objectives (Deb & Jain 2014)"),
    "gp": SamplerInfo(
        lambda seed, trials, options: GPSampler(seed=seed, **options),
        True,
        "Gaussian process with expected hypervolume improvement; seconds a trial, few trials",
    ),
    "random": SamplerInfo(
        lambda seed, trials, options: RandomSampler(seed=seed, **options), False, "uniform draws"
    ),
    "qmc": SamplerInfo(
        lambda seed, trials, options: _NumberedQMC(
            seed=seed, scramble=True, warn_independent_sampling=False, **options
        ),
        True,
        "quasi-Monte Carlo: scrambled Sobol sequence, evenly spread",
    ),
    "grid": SamplerInfo(
        lambda seed, trials, options: RandomSampler(seed=seed, **options),
        False,
        "every distinct plan of a finite space once, in order",
    ),
}


def make_sampler(
    name: str, seed: int, trials: int | None, options: Mapping[str, Any]
) -> BaseSampler:
    """A fresh sampler.

    Args:
        name: A key of SAMPLERS.
        seed: Of this proposal.
        trials: How many the study wants.
        options: Passed on to Optuna's sampler.

    Raises:
        UserError: The sampler does not take these options.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return SAMPLERS[name].make(seed, trials, options)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"search.sampler.{name}: it does not take {options}: {error}"
            ) from error


def grid(space: Node) -> list[dict[str, Any]]:
    """Every assignment of a finite space, in the order of the study file."""
    return list(assignments(space))
