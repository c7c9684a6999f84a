"""Proposals that know the cheap objectives: Thompson sampling by hypervolume gained.

Of many candidates (candidates.py) the cheap objectives are computed exactly, the infeasible and the
known are dropped, and the expensive objectives are drawn from a model's posterior: few trees
(trees.py), or a Gaussian process (gaussian.py). The candidate whose draw adds most hypervolume to
the front (gains.py) is tried. Exploring by the draw rather than by the mean is Thompson's (1933).

Where a candidate's training has a price, what its draw adds is divided by it; and where a trained
network is measured in several number formats for nothing, it adds what all of them add together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paretune.search.sampling.features import FeatureEncoder, Params, key_of
from paretune.search.sampling.gaussian_process import GaussianProcess
from paretune.search.sampling.history import History
from paretune.search.sampling.hypervolume_improvement import HypervolumeImprovement
from paretune.search.sampling.pool import CheapObjectives, Pool, PoolEntry
from paretune.search.sampling.tree_surrogate import TreeSurrogate
from paretune.search.study.sampler_options import ThompsonParams
from paretune.search.study.spec import Constraint
from paretune.spaces.domains import Node

ATTEMPTS = 20
"""Draws of one candidate by which a small space is taken to be exhausted."""

TRAININGS = 3
"""Networks whose training has a price before there is a model of them..."""

DRAWS = 20
"""...each the cheapest of so many uniform draws: a model of few networks sees already which kinds
of them are worth more of their price."""

PRICED = 64
"""Candidates that are asked for their price, those that may add most."""

KINDS = 16
"""Different architectures among them: to count what a new one costs takes a moment."""

FLOOR = 0.25
"""Of the mean price, which is added to each: a trial costs something that is not training, and what
is all but free is not worth all there is."""

FAR = 30.0
"""Widths of the front that are worse than anything: what comes out with no values is so far off."""

TrainingCost = Callable[[Mapping[str, Any]], float]


class ThompsonSampler:
    """Proposes assignments of a space.

    Args:
        space: The tree.
        objectives: Name -> "minimize" or "maximize", in order.
        constraints: Of the study.
        options: As above.
        seed: Of the study.
        cheap: What is known without training, by the choices; None where nothing is.
        cost: What is left to train of a candidate, by the choices, in any unit; None where all cost
            the same.
        formats: Number formats that every trained network will be measured in.
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
    ) -> None:
        self._names = list(objectives)
        self._signs = np.array([-1.0 if d == "maximize" else 1.0 for d in objectives.values()])
        self._constraints = constraints
        self._cost = cost
        self._trees = TreeSurrogate(options)
        self._gaussian = options.surrogate == "gaussian_process"
        self._noise = options.noise if options.acquisition == "thompson" else 0.0
        priced = TRAININGS * max(1, len(formats))
        startup = options.startup_trials
        self._startup = startup if cost is None else min(startup, priced)
        features = FeatureEncoder(space, options.label_counts)
        self.history = History(features, self._signs.tolist())
        self._candidates = Pool(
            space, features, constraints, options, self.history, seed, cheap, formats
        )

    def compare_with(self, baseline: Mapping[str, float]) -> None:
        """Gives the baseline's values, which constraints may refer to."""
        self._candidates.baseline = baseline

    def evolved(self, random: np.random.Generator) -> tuple[Mapping[str, Any], Params]:
        """A candidate without a model: a changed member of the front, or a uniform draw."""
        made = self._candidates
        for _ in range(ATTEMPTS):
            parents = self.history.parents if random.random() < 0.5 else ()
            params = made.changed(parents, random) if parents else made.drawn(random)
            if key_of(params) not in self.history.known and made.of(params):
                return made.choices(params), params
        params = made.drawn(random)  # the runner counts those known already
        return made.choices(params), params

    def proposed(
        self, number: int, random: np.random.Generator
    ) -> tuple[Mapping[str, Any], Params]:
        """The candidate that promises most, for a trial of this number."""
        if len(self.history) < self._startup:
            return self._first(random)
        candidates, owners = self._candidates.with_formats(
            self._candidates.networks(number, random)
        )
        if not candidates:
            return self.evolved(random)
        rows = np.array([c.row for c in candidates])
        losses = self._drawn_losses(candidates, rows, random)
        broken = self._broken(losses)
        likely = self._survival(rows[np.unique(owners, return_index=True)[1]], random)
        history = self.history
        gains = HypervolumeImprovement(history.front, history.losses, losses, owners, broken > 0)
        best = self._most_for_its_price(gains, likely, candidates, owners)
        if best is None:  # nothing promises a gain: the one that misses it by least
            missed = gains.distances + FAR * (1 - likely[owners]) + FAR**2 * broken
            point = int(missed.argmin())
        else:
            point = gains.best_point(best)
        params = candidates[point].params
        return self._candidates.choices(params), params

    def _first(self, random: np.random.Generator) -> tuple[Mapping[str, Any], Params]:
        """Before there is a model."""
        if self._cost is None:
            return self.evolved(random)
        found = [self.evolved(random) for _ in range(DRAWS)]
        prices = self._prices([choices for choices, _ in found])
        known = [key_of(params) in self.history.known for _, params in found]
        return found[int(np.argmin(np.where(known, math.inf, prices)))]

    def _most_for_its_price(
        self,
        gains: HypervolumeImprovement,
        likely: np.ndarray,
        candidates: Sequence[PoolEntry],
        owners: np.ndarray,
    ) -> int | None:
        """The candidate that adds most for its price; None when none adds anything."""
        bounds = gains.bounds * likely
        order = np.argsort(-bounds, kind="stable")
        prices = np.ones(len(bounds))
        if self._cost is not None:
            order = order[:PRICED]
            first = np.searchsorted(owners, order)
            asked = [self._candidates.choices(candidates[place].params) for place in first]
            prices[order] = _raised(self._prices(asked))
            order = order[np.argsort(-bounds[order] / prices[order], kind="stable")]
        best, found = 0.0, None
        for place in order:
            if bounds[place] / prices[place] <= best:
                break
            worth = gains.of(place) * likely[place] / prices[place]
            if worth > best:
                best, found = worth, int(place)
        return found

    def _prices(self, several: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """What is left to train of each [N]; infinite beyond the first KINDS of architecture."""
        assert self._cost is not None
        kinds: set[str] = set()
        prices = []
        for choices in several:
            kind = str(choices.get("architecture"))
            if len(kinds) < KINDS:
                kinds.add(kind)
            prices.append(self._cost(choices) if kind in kinds else math.inf)
        return np.array(prices)

    # -- the model -------------------------------------------------------------------------------

    def _drawn_losses(
        self, candidates: Sequence[PoolEntry], rows: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Losses [N, M]: exact where they are cheap, drawn where they are not."""
        losses = np.empty((len(candidates), len(self._names)))
        exact = [name in candidates[0].cheap for name in self._names]
        for place, name in enumerate(self._names):
            if exact[place]:
                values = np.array([c.cheap[name] for c in candidates])
                losses[:, place] = values * self._signs[place]
        if not all(exact):
            wanted = np.flatnonzero(~np.array(exact))
            seen, told = self.history.seen
            known = ~np.isnan(told[:, wanted])
            # Together where that can be, as trees learn of all quantities at once.
            groups = [wanted] if known.all() else [wanted[[place]] for place in range(len(wanted))]
            for group in groups:
                there = ~np.isnan(told[:, group]).any(axis=1)
                model = self._model(group)
                losses[:, group] = model.draw(seen[there], told[there][:, group], rows, random)
        return losses

    def _model(self, wanted: np.ndarray) -> GaussianProcess | TreeSurrogate:
        """Of some of the objectives, by their places."""
        return GaussianProcess(self._signs[wanted], self._noise) if self._gaussian else self._trees

    def _survival(self, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """How likely [N] a candidate is to come out with values, where trials have not."""
        told, fates = self.history.fates
        if fates.all():
            return np.ones(len(rows))
        return self._trees.share(told, fates, rows, random)

    # -- what a draw is worth --------------------------------------------------------------------

    def _broken(self, losses: np.ndarray) -> np.ndarray:
        """How much [N] each row breaks the constraints on objectives."""
        total = np.zeros(len(losses))
        for constraint in self._constraints:
            if constraint.quantity not in self._names or not self._candidates.decidable(constraint):
                continue
            place = self._names.index(constraint.quantity)
            values = losses[:, place] * self._signs[place]
            bound = constraint.bound.resolve(
                self._candidates.baseline.get(constraint.quantity, 0.0)
            )
            excess = values - bound if constraint.upper else bound - values
            total += np.maximum(excess, 0.0) / (abs(bound) or 1.0)
        return total


def _raised(prices: np.ndarray) -> np.ndarray:
    """With what a trial costs besides training; one where all are free."""
    finite = prices[np.isfinite(prices)]
    mean = float(finite.mean()) if len(finite) else 0.0
    raised: np.ndarray = prices + (FLOOR * mean or 1.0)
    return raised
