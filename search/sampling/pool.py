"""The pool: assignments that may be proposed next, with their cheap objectives.

A cheap objective needs no training: its value is exact before a trial runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.sampling.features import (
    FeatureEncoder,
    Key,
    Params,
    RandomAssignments,
    filled,
    key_of,
)
from paretune.search.sampling.history import History
from paretune.search.sampling.mutations import Mutations
from paretune.search.sampling.prior import Prior
from paretune.search.study.number_formats import network_params, variants_of
from paretune.search.study.sampler_options import ThompsonParams
from paretune.search.study.spec import Constraint
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.domains import Node

BLOCK = 16
"""Proposals that share their uniform draws."""

PRIOR_SHARE = 0.25
"""Share of the uniform draws that is drawn from the user's beliefs instead, if there are any."""

NEAR = 16
"""Draws with about the same cheap objectives, of which a spread draw takes the farthest."""

CheapObjectives = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Choices of a plan -> values of the objectives that need no training, by name."""


@dataclass(frozen=True)
class PoolEntry:
    """An assignment that may be proposed.

    Attributes:
        key: Key of the assignment.
        network: Key that is equal for assignments that share their trained network.
        params: Parameter name -> value.
        row: Features [width].
        cheap: Name -> value of the cheap objectives.
    """

    key: Key
    network: Key
    params: Params
    row: np.ndarray
    cheap: Mapping[str, float]


class Pool:
    """Uniform draws, and mutations of the trials on the front.

    Attributes:
        prior: The user's beliefs, from which some draws come; None if there are none.
        baseline: The baseline's values, to which constraints may refer.

    Args:
        space: The space of the study.
        features: Encodes assignments as rows.
        constraints: Constraints of the study.
        options: Numbers of draws and mutations.
        history: The trials of the search.
        seed: Seed of the study.
        cheap: Computes the cheap objectives; None if there are none.
        formats: Number formats in which every trained network is measured.
        prior: The user's beliefs; None if there are none.
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
        prior: Prior | None = None,
    ) -> None:
        self.prior = prior
        self._features, self._constraints, self._options = features, constraints, options
        self._history, self._seed = history, seed
        self._cheap, self._formats = cheap, formats
        self._assignments = RandomAssignments(space)
        self._mutations: Mutations[PoolEntry] = Mutations(self._assignments, self.entry, seed)
        self._block = _Block(-1, [])
        self.baseline: Mapping[str, float] = {}

    def draw(self, random: np.random.Generator) -> dict[str, Any]:
        """Returns a draw from the user's beliefs while they count, else a uniform one."""
        if self.prior is not None and self.prior.is_drawn(self._history.ended, random):
            return self.prior.draw(random)
        return self._assignments.draw(random)

    def mutate(self, parents: Sequence[Params], random: np.random.Generator) -> Params:
        """Returns a mutation of one of the parents."""
        return self._assignments.mutate(parents[int(random.integers(len(parents)))], random)

    def choices(self, params: Params) -> Any:
        """Returns the concrete value of the space."""
        return self._assignments.choices(params)

    def shared_choices(self, params: Params) -> Any:
        """Returns the same in less time, with parts that other values share: not to be changed."""
        return self._assignments.shared_choices(params)

    def networks(self, number: int) -> list[PoolEntry]:
        """Returns feasible assignments that were not proposed before, each network once.

        Args:
            number: Number of the trial to propose.
        """
        proposed, uniform = self._history.proposed, self._uniform(number // BLOCK)
        if proposed.isdisjoint(uniform.keys):
            networks = uniform.networks.copy()
        else:
            networks = _by_network(e for e in uniform.entries if e.key not in proposed)
        parents = self._history.parents
        for entry in self._mutations.of(parents, number, self._options.mutations):
            if entry.network not in networks and entry.key not in proposed:
                networks[entry.network] = entry
        return list(networks.values())

    def encode_again(self) -> None:
        """Drops the encoded draws; the same ones are encoded again when they are asked for."""
        self._block = _Block(-1, [])
        self._mutations.forget()

    def with_formats(self, networks: Sequence[PoolEntry]) -> tuple[list[PoolEntry], np.ndarray]:
        """Adds the format variants of networks, which are measured without further training.

        Args:
            networks: The networks.

        Returns:
            The entries of all networks, in order, and the index of its network [V] for each entry.
        """
        if not self._formats:
            return list(networks), np.arange(len(networks))
        entries: list[PoolEntry] = []
        owners: list[int] = []
        for index, network in enumerate(networks):
            variants = map(self.entry, variants_of(network.params, self._formats))
            new = [v for v in variants if v and v.key not in self._history.proposed]
            entries += [network, *new]
            owners += [index] * (1 + len(new))
        return entries, np.array(owners)

    def spread_draw(self, number: int, attempt: int = 0) -> PoolEntry | None:
        """Returns a uniform draw that lies far from earlier trials; None if there is no new one.

        Trials that other workers run are taken for those that this draw would have proposed to
        them: then it is far from them, too, and differs from what they were proposed.

        If objectives are cheap, the draws of successive trials also spread over their range: the
        front runs from the cheapest networks to the dearest.

        Args:
            number: Number of the trial to propose.
            attempt: How many proposals for this number were withdrawn before.
        """
        entries = [e for e in self._uniform(0).entries if e.key not in self._history.proposed]
        if not entries:
            return None
        if entries[0].cheap:
            values = np.array([list(entry.cheap.values()) for entry in entries])
            ranks = values.argsort(axis=0).argsort(axis=0).mean(axis=1)
            order = np.argsort(ranks, kind="stable")
            start = round(_even_position(number) * (len(entries) - 1)) - NEAR // 2
            start = max(0, min(start, len(entries) - NEAR))
            entries = [entries[index] for index in order[start : start + NEAR]]
        running = max(0, number - 1 - self._history.ended) + attempt
        return entries[self._farthest([e.row for e in entries], min(running, len(entries) - 1))]

    def farthest(self, assignments: Sequence[Params]) -> int:
        """Returns the index of the assignment that differs most from all trials."""
        return self._farthest([self._features.row(params) for params in assignments], 0)

    def _farthest(self, features: Sequence[np.ndarray], running: int) -> int:
        """Returns the index of the features [width] that are farthest from those of all trials.

        Args:
            features: The features of each assignment.
            running: Number of trials without a result: the farthest ones before this one.
        """
        rows = filled(np.array(features))
        apart = np.full(len(rows), np.inf)
        farthest = len(rows) // 2
        if self._history.ended:
            earlier = filled(self._history.rows)
            apart = np.abs(rows[:, None] - earlier[None]).sum(axis=2).min(axis=1)
            farthest = int(apart.argmax())
        for _ in range(running):
            apart = np.minimum(apart, np.abs(rows - rows[farthest]).sum(axis=1))
            apart[farthest] = -1.0
            farthest = int(apart.argmax())
        return farthest

    def _uniform(self, block: int) -> _Block:
        """Returns uniform draws, which a block of proposals shares: they take most of the time."""
        if self._block.number != block:
            random = np.random.default_rng([self._seed, block])
            draws = [self._assignments.draw(random) for _ in range(self._options.pool)]
            if self.prior is not None:
                count = round(PRIOR_SHARE * len(draws))
                draws[:count] = [self.prior.draw(random) for _ in range(count)]
            entries = [entry for entry in map(self.entry, draws) if entry is not None]
            self._block = _Block(block, entries)
        return self._block

    def entry(self, params: Params) -> PoolEntry | None:
        """Returns the entry of an assignment; None if its cheap objectives rule it out."""
        cheap = {} if self._cheap is None else self._feasible_values(params)
        if cheap is None:
            return None
        key = key_of(params)
        network = key_of(network_params(params)) if self._formats else key
        return PoolEntry(key, network, params, self._features.row(params), cheap)

    def _feasible_values(self, params: Params) -> Mapping[str, float] | None:
        """Returns the cheap objectives; None if infeasible or if they break a constraint."""
        assert self._cheap is not None
        try:
            values = self._cheap(self._assignments.choices(params))
        except InfeasibleCandidate:
            return None
        broken = any(
            c.violation(values[c.quantity], self.baseline.get(c.quantity, 0.0)) > 0
            for c in self._constraints
            if c.quantity in values and self.can_check(c)
        )
        return None if broken else values

    def can_check(self, constraint: Constraint) -> bool:
        """Returns whether the bound of a constraint is known: the baseline may be missing."""
        return not constraint.bound.relative or constraint.quantity in self.baseline


class _Block:
    """Uniform draws that a block of proposals shares.

    Attributes:
        number: Number of the block.
        entries: The draws.
        keys: Keys of all draws.
        networks: Key of a network -> its draw.
    """

    def __init__(self, number: int, entries: list[PoolEntry]) -> None:
        self.number, self.entries = number, entries
        self.keys = {entry.key for entry in entries}
        self.networks = _by_network(entries)


def _by_network(entries: Iterable[PoolEntry]) -> dict[Key, PoolEntry]:
    """Returns key of a network -> its entry, the last one of each."""
    return {entry.network: entry for entry in entries}


def _even_position(number: int) -> float:
    """Returns a position in [0, 1] that spreads evenly over numbers: 0, 1, 1/2, 1/4, 3/4, ..."""
    if number <= 2:
        return float(number == 2)
    position, share, rest = 0.0, 0.5, number - 2
    while rest:
        position += share * (rest % 2)
        rest //= 2
        share /= 2
    return position
