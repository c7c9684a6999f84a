"""Proposals that know the cheap objectives: Thompson sampling with trees, by hypervolume gained.

Of many candidates (uniform draws, and the front's members changed a little) the cheap objectives
are computed exactly, the infeasible and the known are dropped, and the expensive objectives are
drawn from a model's posterior: the mean of a few trees, each grown on a bootstrap of the trials and
their ranks (ranks.py), plus noise as large as that mean's own error. The candidate whose draw adds
most hypervolume to the front is tried. Exploring by the draw rather than by the mean is Thompson's
(1933); trees take conditional spaces and steps as they come (Hutter 2011, SMAC), and few differ
more than many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.pareto import hypervolume
from search.samplers import ForestParams
from search.sampling.features import Draws, Features, Params, key_of
from search.sampling.history import History
from search.sampling.ranks import Ranks
from search.spec import Constraint
from spaces.base import InfeasibleCandidate
from spaces.domains import Node

BOOTSTRAP = 400
"""Trials that a tree is grown on at most, so that a proposal's cost does not grow."""

BEYOND = 0.1
"""How far the hypervolume's reference lies beyond the worst seen, in ranges: what is worse than all
so far in one objective may yet be worth something for another."""

RENEWED = 16
"""Proposals that share their uniform draws."""

ATTEMPTS = 20
"""Draws of one candidate by which a small space is taken to be exhausted."""

Cheap = Callable[[Mapping[str, Any]], Mapping[str, float]]


@dataclass(frozen=True)
class Candidate:
    """An assignment that may be tried, with the objectives that are known of it."""

    key: tuple[object, ...]
    params: Params
    row: np.ndarray
    cheap: Mapping[str, float]


class Forest:
    """Proposes assignments of a space.

    Args:
        space: The tree.
        objectives: Name -> "minimize" or "maximize", in order.
        constraints: Of the study.
        options: As above.
        seed: Of the study.
        cheap: What is known without training, by the choices; None where nothing is.
    """

    def __init__(
        self,
        space: Node,
        objectives: Mapping[str, str],
        constraints: Sequence[Constraint],
        options: ForestParams,
        seed: int = 0,
        cheap: Cheap | None = None,
    ) -> None:
        self._names = list(objectives)
        self._signs = np.array([-1.0 if d == "maximize" else 1.0 for d in objectives.values()])
        self._constraints = constraints
        self._options = options
        self._seed = seed
        self._cheap = cheap
        self._features = Features(space)
        self._draws = Draws(space)
        self._pool: tuple[int, list[Candidate]] = (-1, [])
        self.history = History(self._features, self._signs.tolist())
        self.baseline: Mapping[str, float] = {}

    def evolved(self, random: np.random.Generator) -> tuple[Mapping[str, Any], Params]:
        """A candidate without a model: a changed member of the front, or a uniform draw."""
        for _ in range(ATTEMPTS):
            parents = self.history.parents if random.random() < 0.5 else ()
            params = self._changed(parents, random) if parents else self._draws.drawn(random)
            if key_of(params) not in self.history.known and self._candidate(params):
                return self._draws.choices(params), params
        params = self._draws.drawn(random)  # the runner counts those known already
        return self._draws.choices(params), params

    def proposed(
        self, number: int, random: np.random.Generator
    ) -> tuple[Mapping[str, Any], Params]:
        """The candidate that promises most, for a trial of this number."""
        if len(self.history) < self._options.startup:
            return self.evolved(random)
        candidates = self._candidates(number, random)
        if not candidates:
            return self.evolved(random)
        rows = np.array([c.row for c in candidates])
        losses = self._drawn_losses(candidates, rows, random)
        gains = self._gains(losses) * self._survival(rows, random)
        broken = self._broken(losses)
        gains = np.where(broken > 0, 0.0, gains)
        best = int(gains.argmax())
        if gains[best] <= 0:  # nothing promises a gain: the one that misses it by least
            best = int((self._distance(losses) + 1e3 * broken).argmin())
        params = candidates[best].params
        return self._draws.choices(params), params

    # -- candidates ------------------------------------------------------------------------------

    def _candidates(self, number: int, random: np.random.Generator) -> list[Candidate]:
        """Feasible ones that are not known, each once."""
        known = self.history.known
        found = {
            candidate.key: candidate
            for candidate in self._uniform(number // RENEWED)
            if candidate.key not in known
        }
        parents = self.history.parents
        for _ in range(self._options.mutations if parents else 0):
            params = self._changed(parents, random)
            key = key_of(params)
            if key in known or key in found:
                continue
            candidate = self._candidate(params)
            if candidate is not None:
                found[key] = candidate
        return list(found.values())

    def _uniform(self, block: int) -> list[Candidate]:
        """Uniform draws, the same for all proposals of a block: they cost most of the time."""
        if self._pool[0] != block:
            random = np.random.default_rng([self._seed, block])
            draws = [self._draws.drawn(random) for _ in range(self._options.pool)]
            self._pool = (block, [c for c in map(self._candidate, draws) if c is not None])
        return self._pool[1]

    def _changed(self, parents: Sequence[Params], random: np.random.Generator) -> Params:
        return self._draws.mutated(parents[int(random.integers(len(parents)))], random)

    def _candidate(self, params: Params) -> Candidate | None:
        """The assignment with what is known of it; None where that is enough to drop it."""
        cheap = self._known(self._draws.choices(params)) if self._cheap is not None else {}
        if cheap is None:
            return None
        return Candidate(key_of(params), params, self._features.row(params), cheap)

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
            if c.quantity in values and self._decidable(c)
        )
        return None if broken else values

    def _decidable(self, constraint: Constraint) -> bool:
        return not constraint.bound.relative or constraint.quantity in self.baseline

    # -- the model -------------------------------------------------------------------------------

    def _drawn_losses(
        self, candidates: Sequence[Candidate], rows: np.ndarray, random: np.random.Generator
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
            told = self.history.losses[:, wanted]
            losses[:, wanted] = self._draw(self.history.rows, told, rows, random)
        return losses

    def _draw(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """A draw [N, K] of K quantities at N rows from what was told [T, K] at T rows."""
        if not self._options.ranks:
            return self._by_values(rows, told, at, random)
        ranks = Ranks(told)
        return ranks.values(self._by_values(rows, ranks.of, at, random))

    def _by_values(
        self, rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """As `_draw`, by trees that are grown on the numbers as they are."""
        thompson = self._options.draw == "thompson"
        trees = self._options.trees * (1 if thompson else 10)
        drawn_ = np.array([_grown(rows, told, at, random) for _ in range(trees)])
        mean: np.ndarray = drawn_.mean(axis=0)
        if not thompson:
            return mean
        spread = drawn_.std(axis=0) / np.sqrt(trees)
        noise: np.ndarray = self._options.noise * spread * random.standard_normal(mean.shape)
        said: np.ndarray = mean + noise
        return said

    def _survival(self, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """How likely [N] a candidate is to come out with values, where trials have not."""
        told, fates = self.history.fates
        if fates.all():
            return np.ones(len(rows))
        trees = [
            _grown(told, fates[:, None], rows, random)[:, 0] for _ in range(self._options.trees)
        ]
        likely: np.ndarray = np.mean(trees, axis=0)
        return likely

    # -- what a draw is worth --------------------------------------------------------------------

    def _gains(self, losses: np.ndarray) -> np.ndarray:
        """Hypervolume [N] that each row adds to the front, to a little beyond the worst seen."""
        front, every = self.history.front, self.history.losses
        reference = every.max(axis=0) + BEYOND * np.ptp(every, axis=0)
        gains = np.zeros(len(losses))
        boxes = np.where((losses < reference).all(axis=1), (reference - losses).prod(axis=1), 0.0)
        if len(front):
            beaten = (front[None] <= losses[:, None]).all(axis=2)
            boxes[np.asarray(beaten).any(axis=1)] = 0.0
        if losses.shape[1] == 2 and len(front):
            gains[boxes > 0] = _gains_of_two(losses, front, reference)[boxes > 0]
            return gains
        best = 0.0
        for place in np.argsort(-boxes, kind="stable"):
            if boxes[place] <= best:
                break  # nobody adds more than its box
            inside = np.maximum(front, losses[place]) if len(front) else front
            gains[place] = boxes[place] - hypervolume(inside, reference)
            best = max(best, gains[place])
        return gains

    def _distance(self, losses: np.ndarray) -> np.ndarray:
        """How far [N] each row is from adding anything, in widths of the front."""
        front = self.history.front
        if not len(front):
            return np.zeros(len(losses))
        every = self.history.losses
        width = np.where(np.ptp(every, axis=0) > 0, np.ptp(every, axis=0), 1.0)
        distance: np.ndarray = ((losses[:, None] - front[None]) / width).max(axis=2).min(axis=1)
        return distance

    def _broken(self, losses: np.ndarray) -> np.ndarray:
        """How much [N] each row breaks the constraints on objectives."""
        total = np.zeros(len(losses))
        for constraint in self._constraints:
            if constraint.quantity not in self._names or not self._decidable(constraint):
                continue
            place = self._names.index(constraint.quantity)
            values = losses[:, place] * self._signs[place]
            bound = constraint.bound.resolve(self.baseline.get(constraint.quantity, 0.0))
            excess = values - bound if constraint.upper else bound - values
            total += np.maximum(excess, 0.0) / (abs(bound) or 1.0)
        return total


def _gains_of_two(losses: np.ndarray, front: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Area [N] that each row [N, 2] adds to a front, strip by strip between its members."""
    ordered = front[np.lexsort((front[:, 1], front[:, 0]))]
    left = np.concatenate([[-np.inf], ordered[:, 0]])
    right = np.append(ordered[:, 0], reference[0])
    top = np.minimum(np.concatenate([[np.inf], ordered[:, 1]]), reference[1])
    wide = np.minimum(right, reference[0]) - np.maximum(left, losses[:, :1])
    high = top - losses[:, 1:]
    gains: np.ndarray = (np.maximum(wide, 0.0) * np.maximum(high, 0.0)).sum(axis=1)
    return gains


def _grown(
    rows: np.ndarray, told: np.ndarray, at: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """What a tree grown on a bootstrap of the trials says [N, K] at other rows."""
    import sklearn  # a second to import, for this sampler only
    from sklearn.tree import DecisionTreeRegressor

    sample = random.integers(len(rows), size=min(len(rows), BOOTSTRAP))
    with sklearn.config_context(skip_parameter_validation=True):
        tree = DecisionTreeRegressor(random_state=int(random.integers(2**31)))
        tree.fit(rows[sample], np.ascontiguousarray(told[sample]), check_input=False)
        said = tree.predict(at, check_input=False)
    return np.asarray(said).reshape(len(at), -1)
