"""The prior: the user's beliefs as a density over assignments, and draws from it.

A proposal's gain is multiplied by the density to the power BETA / n after n trials, so that a
belief steers the first trials and fades (piBO: Hvarfner et al. 2022,
https://arxiv.org/abs/2204.11051). Draws before a surrogate is fitted come from the belief, with a
share of uniform ones (PriorBand: Mallik et al. 2023, https://arxiv.org/abs/2306.12370).

Each parameter has its own density, relative to the uniform one. A parameter without a belief, or of
a branch that is not taken, counts as 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from paretune.search.sampling.features import Params, RandomAssignments, scaled, value_at
from paretune.search.study.beliefs import Belief, NumberBelief, OptionBelief
from paretune.spaces.domains import Choice, Domain, Node

BETA = 3.0
"""Strength of the beliefs: after this many trials the density counts once, later less."""

STARTUP = 10
"""Trials whose draws come from the beliefs; after n trials, a draw does with this share of n."""

UNIFORM = 0.25
"""Share of the uniform density in each parameter's. It bounds what a wrong belief can hide."""


class Prior:
    """The beliefs of a study.

    Args:
        space: The space of the study.
        beliefs: Parameter name -> belief.
    """

    def __init__(self, space: Node, beliefs: Mapping[str, Belief]) -> None:
        self._beliefs = beliefs
        self._assignments = RandomAssignments(space)
        self._domains = {
            p.name: p.domain for p in self._assignments.parameters if p.name in beliefs
        }

    def log_density(self, params: Params) -> float:
        """Returns the logarithm of an assignment's density, relative to that of uniform draws."""
        return sum(
            math.log(UNIFORM + (1 - UNIFORM) * _relative(belief, self._domains[name], params[name]))
            for name, belief in self._beliefs.items()
            if name in params
        )

    def draw(self, random: np.random.Generator, decided: Params | None = None) -> dict[str, Any]:
        """Returns a draw: of each parameter by its belief, with a share of uniform draws.

        Args:
            random: Random numbers.
            decided: Values of some parameters, which stay.
        """
        decided = decided or {}

        def choose(name: str, domain: Domain) -> Any:
            if name in decided:
                return decided[name]
            if name not in self._beliefs or random.random() < UNIFORM:
                return self._assignments.draw_value(domain, random)
            return _drawn(self._beliefs[name], domain, random)

        return self._assignments.assign(choose)

    def is_drawn(self, trials: int, random: np.random.Generator) -> bool:
        """Returns whether the next draw is one of the beliefs; they fade after STARTUP trials."""
        return trials < STARTUP or float(random.random()) < STARTUP / trials

    def weights(self, params: list[Params], trials: int) -> np.ndarray:
        """Returns the factor [N] of each assignment's gain; the largest is 1.

        Args:
            params: The assignments.
            trials: Number of trials that have ended.
        """
        logs = np.array([self.log_density(each) for each in params])
        weights: np.ndarray = np.exp((logs - logs.max()) * (BETA / max(trials, 1)))
        return weights


def _relative(belief: Belief, domain: Domain, value: Any) -> float:
    """Returns the density of a value, relative to the uniform one."""
    if isinstance(belief, OptionBelief):
        return belief.shares[value] * len(belief.shares)
    assert not isinstance(domain, Choice)
    normal = NormalDist(belief.center, belief.spread)
    return normal.pdf(scaled(domain, value)) / (normal.cdf(1.0) - normal.cdf(0.0))


def _drawn(belief: Belief, domain: Domain, random: np.random.Generator) -> Any:
    if isinstance(belief, OptionBelief):
        shares = list(belief.shares.values())
        return list(belief.shares)[int(random.choice(len(shares), p=shares))]
    assert not isinstance(domain, Choice)
    return value_at(domain, _drawn_position(belief, random))


def _drawn_position(belief: NumberBelief, random: np.random.Generator) -> float:
    """Returns a draw of the normal distribution within [0, 1]."""
    normal = NormalDist(belief.center, belief.spread)
    low, high = normal.cdf(0.0), normal.cdf(1.0)
    quantile = low + (high - low) * float(random.random())
    return min(1.0, max(0.0, normal.inv_cdf(min(max(quantile, 1e-12), 1 - 1e-12))))
