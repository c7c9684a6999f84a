"""Candidates: assignments that may be tried, with what is known of them without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.sampling.features import FeatureEncoder, Params, RandomAssignments, key_of
from paretune.search.sampling.history import History
from paretune.search.study.number_formats import network_params, variants_of
from paretune.search.study.sampler_options import ThompsonParams
from paretune.search.study.spec import Constraint
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.domains import Node

RENEWED = 16
"""Proposals that share their uniform draws."""

CheapObjectives = Callable[[Mapping[str, Any]], Mapping[str, float]]


@dataclass(frozen=True)
class PoolEntry:
    """An assignment that may be tried, with the objectives that are known of it."""

    key: tuple[object, ...]
    params: Params
    row: np.ndarray
    cheap: Mapping[str, float]


class Pool:
    """Uniform draws, and the front's members changed a little.

    Args:
        space: The tree.
        features: How an assignment becomes a row.
        constraints: Of the study.
        options: How many of each.
        history: What has been tried.
        seed: Of the study.
        cheap: What is known without training, by the choices; None where nothing is.
        formats: Number formats that every trained network will be measured in.
    """

    def __init__(
        self,
        space: Node,
        features: FeatureEncoder,
        constraints: Sequence[Constraint],
        options: ThompsonParams,
        history: History,
        seed: int = 0,
        cheap: CheapObjectives | None = None,
        formats: Sequence[Params] = (),
    ) -> None:
        self._features, self._constraints, self._options = features, constraints, options
        self._history, self._seed = history, seed
        self._cheap, self._formats = cheap, formats
        self._draws = RandomAssignments(space)
        self._pool: tuple[int, list[PoolEntry]] = (-1, [])
        self.baseline: Mapping[str, float] = {}

    def drawn(self, random: np.random.Generator) -> dict[str, Any]:
        """A uniform draw."""
        return self._draws.drawn(random)

    def changed(self, parents: Sequence[Params], random: np.random.Generator) -> Params:
        """One of the parents, changed a little."""
        return self._draws.mutated(parents[int(random.integers(len(parents)))], random)

    def choices(self, params: Params) -> Any:
        """The concrete value of the space."""
        return self._draws.choices(params)

    def networks(self, number: int, random: np.random.Generator) -> list[PoolEntry]:
        """Feasible ones that are not known, each network once, for a trial of this number."""
        known = self._history.known
        found = {
            self._network(candidate.params): candidate
            for candidate in self._uniform(number // RENEWED)
            if candidate.key not in known
        }
        parents = self._history.parents
        for _ in range(self._options.mutations if parents else 0):
            params = self.changed(parents, random)
            network = self._network(params)
            if network in found or key_of(params) in known:
                continue
            candidate = self.of(params)
            if candidate is not None:
                found[network] = candidate
        return list(found.values())

    def _network(self, params: Params) -> tuple[object, ...]:
        """Equal for what is measured together."""
        return key_of(network_params(params) if self._formats else params)

    def with_formats(self, networks: Sequence[PoolEntry]) -> tuple[list[PoolEntry], np.ndarray]:
        """All that is measured of the networks, and the place of its network [V], in order."""
        if not self._formats:
            return list(networks), np.arange(len(networks))
        found, owners = [], []
        for place, network in enumerate(networks):
            others = map(self.of, variants_of(network.params, self._formats))
            own = [network, *(c for c in others if c and c.key not in self._history.known)]
            found += own
            owners += [place] * len(own)
        return found, np.array(owners)

    def _uniform(self, block: int) -> list[PoolEntry]:
        """Uniform draws, the same for all proposals of a block: they cost most of the time."""
        if self._pool[0] != block:
            random = np.random.default_rng([self._seed, block])
            draws = [self._draws.drawn(random) for _ in range(self._options.pool)]
            self._pool = (block, [c for c in map(self.of, draws) if c is not None])
        return self._pool[1]

    def of(self, params: Params) -> PoolEntry | None:
        """The assignment with what is known of it; None where that is enough to drop it."""
        cheap = self._known(self._draws.choices(params)) if self._cheap is not None else {}
        if cheap is None:
            return None
        return PoolEntry(key_of(params), params, self._features.row(params), cheap)

    def _known(self, choices: Mapping[str, Any]) -> Mapping[str, float] | None:
        """The cheap objectives; None for what cannot be, or breaks a constraint on them."""
        assert self._cheap is not None
        try:
            values = self._cheap(choices)
        except InfeasibleCandidate:
            return None
        broken = any(
            c.violation(values[c.quantity], self.baseline.get(c.quantity, 0.0)) > 0
            for c in self._constraints
            if c.quantity in values and self.decidable(c)
        )
        return None if broken else values

    def decidable(self, constraint: Constraint) -> bool:
        """Whether it is known what the constraint asks for."""
        return not constraint.bound.relative or constraint.quantity in self.baseline
