"""The table of samplers: how each is made, and whether it needs a space without conditions."""

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
    """A sampler of the table.

    Attributes:
        make: (seed, number of trials, options) -> Optuna's sampler.
        flat: Whether it learns only over parameters that every trial has. Parameters of branches
            that are not taken are then proposed as well, and ignored by the plan.
        text: One line for `paretune list samplers`.
        native: Whether it is Paretune's own (search/sampling/thompson.py), not Optuna's.
    """

    make: Callable[[int, int | None, Mapping[str, Any]], BaseSampler]
    flat: bool
    text: str
    native: bool = False


class _NumberedQMC(QMCSampler):
    """QMC with the trial's number as index in its sequence, which a resumed run continues."""

    def _find_sample_id(self, study: optuna.Study, search_space: Any) -> int:
        return max(len(study.get_trials(deepcopy=False)) - 2, 0)


class _OrderedNSGAII(NSGAIISampler):
    """NSGA-II with parents in order of their number.

    Optuna orders the parents of a generation by rank the first time and by number later, and
    crossover draws them by index. A resumed run would propose other trials.
    """

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return _by_number(super().get_parent_population(study, generation))


class _OrderedNSGAIII(NSGAIIISampler):
    """NSGA-III with parents in order of their number."""

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
    """Returns a fifth of the trials, so that there are several generations; at most Optuna's 50."""
    return min(50, max(8, (trials or 250) // 5))


def _native(seed: int, trials: int | None, options: Mapping[str, Any]) -> BaseSampler:
    """Returns a placeholder: a native sampler does not use Optuna."""
    return RandomSampler(seed=seed)


SAMPLERS: dict[str, SamplerInfo] = {
    "auto": SamplerInfo(
        _tpe,
        False,
        "thompson for networks, cheap or several objectives, else tpe; evolution for short trials",
    ),
    "thompson": SamplerInfo(
        _native,
        False,
        "hypervolume improvement that a surrogate predicts; uses objectives known without training",
        native=True,
    ),
    "evolution": SamplerInfo(
        _native,
        False,
        "mutates trials of the front; half a millisecond a trial",
        native=True,
    ),
    "tpe": SamplerInfo(
        _tpe, False, "tree-structured Parzen estimator (Bergstra 2011; multi-objective Ozaki 2022)"
    ),
    "nsga2": SamplerInfo(_nsga2, True, "NSGA-II genetic algorithm (Deb 2002)"),
    "nsga3": SamplerInfo(_nsga3, True, "NSGA-III, for four or more objectives (Deb & Jain 2014)"),
    "gp": SamplerInfo(
        lambda seed, trials, options: GPSampler(seed=seed, **options),
        True,
        "Gaussian process with expected hypervolume improvement; seconds a trial, for few trials",
    ),
    "random": SamplerInfo(
        lambda seed, trials, options: RandomSampler(seed=seed, **options),
        False,
        "uniform random draws",
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
        "every plan of a finite space once, in order",
    ),
}


def make_sampler(
    name: str, seed: int, trials: int | None, options: Mapping[str, Any]
) -> BaseSampler:
    """Returns a new sampler.

    Args:
        name: A key of SAMPLERS.
        seed: Seed of the sampler.
        trials: Number of trials of the study; None for no limit.
        options: Options of Optuna's sampler.

    Raises:
        UserError: The sampler does not have these options.
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
    """Returns every assignment of a finite space, in the order of the study file."""
    return list(assignments(space))
