"""Chooses a sampler for each trial of the sampler `auto`, and reads the samplers' options.

A good proposal takes milliseconds. That is nothing for trials of seconds, but much for trials of
microseconds. So proposals of `auto` may take a twentieth of the trials' time, and five seconds in
any case. `auto` reads no clock. It assumes the time of a proposal on a common machine, so that a
resumed run chooses as an uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.sampler_options import AutoParams, ThompsonParams, uses_surrogate
from paretune.search.study.spec import Selection

TIME_SHARE = 0.05
"""Share of the trials' time that proposals may take."""

FREE_SECONDS = 5.0
"""Seconds that proposals may take in any case: hundreds of good proposals in the fastest study."""

PROPOSAL_SECONDS = {
    "ensemble": 0.01,
    "random_forest": 0.012,
    "gaussian_process": 0.06,
    "tpe": 0.025,
}
"""Seconds that a proposal takes, by surrogate; of TPE without one."""

EXPECTED_SECONDS = 0.05
"""Seconds of a proposal by the expected improvement, with three objectives and a large front."""

BLOCK = 50
"""Trials between two checks of the time; so many that two runs hardly ever choose differently."""


class SamplerChoice:
    """Chooses the sampler of each trial.

    Args:
        sampler: The sampler of the study file.
        surrogate: The surrogate that `thompson` would use; None if it has nothing to learn here.
        expected: Whether `thompson` proposes by the expected improvement.
    """

    def __init__(self, sampler: Selection, surrogate: str | None, expected: bool = False) -> None:
        self._name = sampler.name
        used = surrogate if uses_surrogate(sampler) else None
        self._good = "thompson" if used else "auto"
        self._cost = EXPECTED_SECONDS if used and expected else PROPOSAL_SECONDS[used or "tpe"]
        self._trials = 0
        self._timed = 0
        self._seconds = 0.0
        self._allowed = FREE_SECONDS

    @property
    def may_use_optuna(self) -> bool:
        """Whether one of Optuna's samplers may be asked."""
        if self._name == "auto":
            return self._good != "thompson"
        return self._name not in ("thompson", "evolution")

    def add_trial(self, seconds: float | None) -> None:
        """Adds a trial that has ended.

        Args:
            seconds: Time that it took; None if that is not known.
        """
        self._trials += 1
        if seconds is not None:
            self._timed += 1
            self._seconds += seconds
        if self._trials % BLOCK == 0:
            self._allowed = max(FREE_SECONDS, TIME_SHARE * self._seconds)

    def sampler(self, number: int) -> str:
        """Returns the sampler for this trial number: a key of SAMPLERS."""
        if self._name != "auto":
            return self._name
        if self._timed and (number - 1) // BLOCK * BLOCK * self._cost > self._allowed:
            return "evolution"
        return self._good


def surrogate_of(sampler: Selection, objectives: int, cheap: bool, cost: bool) -> str | None:
    """Returns the surrogate of the sampler `auto`; None if it uses TPE.

    With several objectives the ensemble finds more of the front than TPE after 50 trials or more,
    and no less after 25, also if nothing is known in advance (docs/benchmarks.md). With one
    objective they were not compared. Options of TPE ask for TPE, unless something is known.

    Args:
        sampler: The sampler of the study file.
        objectives: Number of objectives.
        cheap: Whether objectives are known without training.
        cost: Whether the cost of training is known in advance, as for networks.
    """
    is_better = cost or cheap or (objectives > 1 and not optuna_options(sampler))
    return sampler.params.get("surrogate") or ("ensemble" if is_better else None)


def thompson_options(sampler: Selection, surrogate: str | None) -> ThompsonParams:
    """Returns the options of `thompson` and `evolution`; defaults for any other sampler.

    Args:
        sampler: The sampler of the study file.
        surrogate: The surrogate of `auto`.
    """
    if sampler.name in ("thompson", "evolution"):
        return ThompsonParams.model_validate(dict(sampler.params))
    return ThompsonParams.model_validate({"surrogate": surrogate or "ensemble"})


def optuna_options(sampler: Selection) -> Mapping[str, Any]:
    """Returns the options for Optuna's sampler, without the options of `auto`."""
    auto_options = AutoParams.model_fields if sampler.name == "auto" else {}
    return {name: value for name, value in sampler.params.items() if name not in auto_options}
