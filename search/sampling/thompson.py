"""The sampler `thompson`: the hypervolume improvement that a surrogate predicts.

For many assignments (pool.py), the cheap objectives are computed exactly; infeasible and earlier
assignments are dropped. The other objectives are drawn from the posterior of a surrogate
(loss_draws.py). The assignment that adds most hypervolume to the front is proposed
(hypervolume_improvement.py): in the mean of several draws (expected improvement: Emmerich 2006), or
in a single one (Thompson 1933).

If the cost of training is known in advance, the hypervolume that a draw adds is divided by it. If a
trained network is measured in several number formats without further training, it adds what all of
them add together. Such networks are proposed by a single draw: a mean of several takes longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paretune.search.sampling.ensemble import Ensemble
from paretune.search.sampling.features import FeatureEncoder, Params, key_of
from paretune.search.sampling.history import History
from paretune.search.sampling.hypervolume_improvement import HypervolumeImprovement
from paretune.search.sampling.loss_draws import LossDraws
from paretune.search.sampling.pool import CheapObjectives, Pool, PoolEntry
from paretune.search.sampling.prior import Prior
from paretune.search.sampling.random_forest import RandomForest
from paretune.search.sampling.seed_noise import SeedNoise
from paretune.search.sampling.training_prices import TrainingCost, TrainingPrices
from paretune.search.study.sampler_options import ThompsonParams
from paretune.search.study.spec import Constraint
from paretune.spaces.domains import Node

ATTEMPTS = 20
"""A space counts as exhausted if this many draws in a row give no new feasible assignment."""

STARTUP_NETWORKS = 3
"""Most networks with a known cost that are trained before a surrogate is fitted.

A surrogate of so few networks already sees which kinds of them add more for their cost.
"""

STARTUP_KNOWN = 5
"""Most trials before a surrogate is fitted if objectives are known without training.

With 5 instead of 10 the share of the front after 25 trainings grows from .905 to .925 on `slice`,
from .870 to .884 on `cells100` and from .967 to .975 on `macro` (bench_new_tables.py, means).
Without known objectives it falls, on `car` from .902 to .846.
"""

STARTUP_DRAWS = 20
"""Uniform draws for each startup network: the one that differs most among the cheapest.

Costs that differ by less than the overhead of a trial are about equal.
"""

PRICED = 16
"""Networks for which the cost is computed first: those that may add most hypervolume.

Further ones follow, as many at a time, while one of them can still be better for its cost. Their
order is that of what they add, not of their cost. So 18 of about 640 networks are priced in the
mean for studies/quickstart.yaml. The best of these adds as much for its cost as the best of 64.
"""

MOST_PRICED = 64
"""Most networks of a proposal for which the cost is computed."""

FLOOR = 0.25
"""Share of the mean cost that is added to each cost.

A trial takes time outside of training, too. A network with nearly no cost must not win for that
reason alone. The overhead of a trial is added instead where it is more.
"""

WORST_DISTANCE = 30.0
"""Distance of a trial without values, in ranges of the losses: worse than any other distance."""


class ThompsonSampler:
    """Proposes assignments of a space.

    Attributes:
        history: The trials of the search.
        noise: The variance between seeds; None if it is not known.

    Args:
        space: The space of the study.
        objectives: Name -> "minimize" or "maximize", in order.
        constraints: Constraints of the study.
        options: Options of the sampler.
        seed: Seed of the study.
        cheap: Computes the cheap objectives; None if there are none.
        cost: Computes the training that a plan still needs; None if all plans cost the same.
        formats: Number formats in which every trained network is measured.
        prior: The user's beliefs; None if there are none.
        estimate: Returns what is known of an assignment before its trial, in [0, 1]; or None.
        overhead: What a trial takes besides training, in the unit of `cost`.
    """

    def __init__(
        self,
        space: Node,
        objectives: Mapping[str, str],
        constraints: Sequence[Constraint],
        options: ThompsonParams,
        seed: int = 0,
        cheap: CheapObjectives | None = None,
        cost: TrainingCost | None = None,
        formats: Sequence[Params] = (),
        prior: Prior | None = None,
        estimate: Callable[[Params], float] | None = None,
        overhead: float = 0.0,
    ) -> None:
        self._names = list(objectives)
        self._signs = np.array([-1.0 if d == "maximize" else 1.0 for d in objectives.values()])
        self._constraints = constraints
        self._forest = RandomForest(options)
        self._overhead = overhead
        self._startup = options.startup_trials
        if cost is not None:
            self._startup = min(self._startup, STARTUP_NETWORKS * max(1, len(formats)))
        elif cheap is not None:
            self._startup = min(self._startup, STARTUP_KNOWN)
        features = FeatureEncoder(space, options.label_counts, estimate)
        self._ensemble = Ensemble(options, self._forest, features.groups, features.is_ordered)
        self.history = History(features, self._signs.tolist())
        self.noise: SeedNoise | None = None
        acquisition = options.acquisition or ("expected" if cost is None else "thompson")
        self._losses = LossDraws(
            self._names, self._signs, self._ensemble, self.history, acquisition == "expected"
        )
        self._prior = prior
        self._pool = Pool(
            space, features, constraints, options, self.history, seed, cheap, formats, prior
        )
        self._prices = None if cost is None else TrainingPrices(cost, self._pool.shared_choices)

    def set_baseline(self, baseline: Mapping[str, float]) -> None:
        """Sets the baseline's values, to which constraints may refer."""
        self._pool.baseline = baseline

    def encode_again(self) -> None:
        """Encodes waiting assignments again, as more is known of them."""
        self._pool.encode_again()

    def propose_mutation(self, random: np.random.Generator) -> tuple[Mapping[str, Any], Params]:
        """Proposes without a surrogate: a mutation of a trial on the front, or a uniform draw.

        Returns:
            The concrete value of the space, and the parameters.
        """
        pool = self._pool
        for _ in range(ATTEMPTS):
            parents = self.history.parents if random.random() < 0.5 else ()
            params = pool.mutate(parents, random) if parents else pool.draw(random)
            if key_of(params) not in self.history.proposed and pool.entry(params):
                return pool.choices(params), params
        params = pool.draw(random)  # the runner counts repeated plans
        return pool.choices(params), params

    def propose(
        self, number: int, random: np.random.Generator, attempt: int = 0
    ) -> tuple[Mapping[str, Any], Params]:
        """Proposes the assignment that adds most hypervolume in a draw, for its cost.

        Args:
            number: Number of the trial.
            random: Random numbers for mutations and draws.
            attempt: How many proposals for this number were withdrawn before.

        Returns:
            The concrete value of the space, and the parameters.
        """
        if len(self.history) < self._startup:
            return self._propose_startup(number, random, attempt)
        entries, owners = self._pool.with_formats(self._pool.networks(number))
        if not entries:
            return self.propose_mutation(random)
        rows = np.concatenate([entry.row for entry in entries]).reshape(len(entries), -1)
        draws = self._losses.draw(entries, rows, self.noise, random)
        excesses = np.array([self._constraint_excess(losses) for losses in draws])
        success = self._success_probability(rows[np.diff(owners, prepend=-1) > 0], random)
        history = self.history
        front = history.front if self.noise is None else self._losses.expected_front(self.noise)
        improvement = HypervolumeImprovement(front, history.losses, draws, owners, excesses > 0)
        best = self._best_network(improvement, success, entries, owners)
        if best is None:  # none adds anything: take the one that is nearest to doing so
            distances = (
                improvement.distances
                + WORST_DISTANCE * (1 - success[owners])
                + WORST_DISTANCE**2 * excesses.mean(axis=0)
            )
            point = int(distances.argmin())
        else:
            point = improvement.best_point(best)
        params = entries[point].params
        return self._pool.choices(params), params

    def _propose_startup(
        self, number: int, random: np.random.Generator, attempt: int
    ) -> tuple[Mapping[str, Any], Params]:
        """Proposes before a surrogate is fitted: spread draws, or the cheapest of random draws."""
        if self._prices is None and self._prior is None and self.history.ended < self._startup:
            entry = self._pool.spread_draw(number, attempt)
            if entry is not None:
                return self._pool.choices(entry.params), entry.params
        if self._prices is None:
            return self.propose_mutation(random)
        proposals = [self.propose_mutation(random) for _ in range(STARTUP_DRAWS)]
        costs = self._prices.of([params for _, params in proposals])
        repeated = [key_of(params) in self.history.proposed for _, params in proposals]
        costs = np.where(repeated, math.inf, costs)
        cheap = np.flatnonzero(costs <= costs.min() + self._overhead)
        farthest = self._pool.farthest([proposals[index][1] for index in cheap])
        return proposals[int(cheap[farthest])]

    def _best_network(
        self,
        improvement: HypervolumeImprovement,
        success: np.ndarray,
        entries: Sequence[PoolEntry],
        owners: np.ndarray,
    ) -> int | None:
        """Returns the index of the network that adds most for its cost; None if none adds anything.

        Args:
            improvement: What each network adds.
            success: Probability [N] that a network comes out with values.
            entries: The entries [V].
            owners: Index of its network [V] for each entry.
        """
        if self._prior is not None:
            success = success * self._belief_weights(entries, owners)
        bounds = improvement.bounds * success
        order = np.argsort(-bounds, kind="stable")
        best, best_gain = None, 0.0
        for some, costs, least in self._with_costs(order, entries, owners):
            most = bounds[some] / costs
            for place in np.argsort(-most, kind="stable"):
                if most[place] <= best_gain:
                    break
                index = some[place]
                gain = improvement.of(index) * success[index] / costs[place]
                if gain > best_gain:
                    best, best_gain = int(index), gain
            if bounds[some[-1]] / least <= best_gain:
                break  # no further network can be better, whatever its cost
        return best

    def _with_costs(
        self, order: np.ndarray, entries: Sequence[PoolEntry], owners: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Yields networks in an order, PRICED at a time.

        Args:
            order: Indices [N] of the networks.
            entries: The entries [V].
            owners: Index of its network [V] for each entry.

        Yields:
            Indices of networks, their costs, and the least cost that any network can have.
        """
        if self._prices is None:
            yield order, np.ones(len(order)), 1.0
            return
        order = order[:MOST_PRICED]
        params = [entries[index].params for index in np.searchsorted(owners, order)]
        floor = 1.0
        for start in range(0, len(order), PRICED):
            costs = self._prices.of(params[: start + PRICED])[start:]
            if not start:
                floor = self._floor(costs)
            yield order[start : start + PRICED], costs + floor, floor

    def _floor(self, costs: np.ndarray) -> float:
        """Returns what is added to each cost [N]: the overhead, or FLOOR times their mean."""
        finite = costs[np.isfinite(costs)]
        mean = float(finite.mean()) if len(finite) else 0.0
        return max(self._overhead, FLOOR * mean) or 1.0

    def _belief_weights(self, entries: Sequence[PoolEntry], owners: np.ndarray) -> np.ndarray:
        """Returns the factor [N] of each network's gain: that of its most probable entry."""
        assert self._prior is not None
        weights = self._prior.weights([entry.params for entry in entries], self.history.ended)
        of_network = np.zeros(int(owners[-1]) + 1)
        np.maximum.at(of_network, owners, weights)
        return of_network

    # -- the surrogate ---------------------------------------------------------------------------

    def _success_probability(self, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Returns the probability [N] that a trial comes out with values."""
        trial_rows, successes = self.history.successes
        if successes.all():
            return np.ones(len(rows))
        return self._forest.probability(trial_rows, successes, rows, random)

    def _constraint_excess(self, losses: np.ndarray) -> np.ndarray:
        """Returns by how much [N] each row breaks the constraints on objectives, as shares."""
        total = np.zeros(len(losses))
        for constraint in self._constraints:
            if constraint.quantity not in self._names or not self._pool.can_check(constraint):
                continue
            index = self._names.index(constraint.quantity)
            values = losses[:, index] * self._signs[index]
            bound = constraint.bound.resolve(self._pool.baseline.get(constraint.quantity, 0.0))
            excess = values - bound if constraint.upper else bound - values
            total += np.maximum(excess, 0.0) / (abs(bound) or 1.0)
        return total
