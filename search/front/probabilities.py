"""Computes how probable a place on the front is, and to be its knee. Pure.

All points are drawn at random many times. The errors of paired points are drawn together
(`paired_errors`), so that what they share cancels; all other errors are drawn independently.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from paretune.search.front.noisy_points import NOT_PAIRED, NoisyPoints
from paretune.search.front.paired_errors import PairedErrors
from paretune.search.front.pareto import Array

DRAWS = 1000
"""Random draws of all points from which a probability is estimated."""

SURE = 5.0
"""A point is assumed to lie within this many standard deviations of its mean."""

LEAST_POINTS = 8
"""Fewer points are not enough to compare their spread with their noise."""

MOST_DRAWS_TIMES_POINTS = 600_000
"""Largest product of draws and points: thousands of points get fewer draws."""

MOST_POINTS = 3000
"""Most points that are drawn. If there are more, those in the first layers of the front are."""


def shrink(means: Array, deviations: Array) -> Array:
    """Returns means [N, M] without the luck that the best of many points have.

    A point that is better than the median is shrunk towards it, by the noise's share of the spread
    of the better half (empirical Bayes, Efron and Morris 1975, https://doi.org/10.2307/2285814).
    The spread is taken from quantiles, so that a few collapsed trials do not widen it. If all the
    spread is noise, the best are as good as the median. The deviations stay as they are, wider than
    in theory. Fewer than LEAST_POINTS points are returned unchanged.
    """
    if len(means) < LEAST_POINTS:
        return means
    median, good = np.quantile(means, [0.5, 0.16], axis=0)
    noise = (deviations**2).mean(axis=0)
    true = np.maximum((median - good) ** 2 - noise, 0.0)
    total = deviations**2 + true
    share = np.divide(deviations**2, total, out=np.zeros_like(total), where=total > 0)
    shrunk: Array = means + share * np.maximum(median - means, 0.0)
    return shrunk


def contenders(points: NoisyPoints, most: int) -> Array:
    """Returns the rows of at most `most` points that may be on the front, in order."""
    rows = _possible_members(points)
    nearest: Array = rows[_first_layers(points.means[rows], points.deviations[rows], most)]
    return nearest


def non_dominated_chances(
    means: Array,
    deviations: Array,
    draws: int = DRAWS,
    seed: int = 0,
    paired: Mapping[int, PairedErrors] = NOT_PAIRED,
) -> Array:
    """Returns the probability [N] of each point that no other point dominates it.

    It is estimated by drawing all points at random many times. If there are more than MOST_POINTS,
    the points behind the most layers get 0. In a test with 10,000 trials and errors that overlap as
    widely as in `tests/benchmarks/trivial.py`, the other points have 94 % of all probability.

    Args:
        means: Mean losses [N, M].
        deviations: Their standard deviations [N, M]; 0 for an exact loss.
        draws: How many times all points are drawn; fewer for many points (MOST_DRAWS_TIMES_POINTS).
        seed: Seed of the draws.
        paired: Column -> joint errors of points; other errors are independent.
    """
    points = NoisyPoints(np.asarray(means, float), np.asarray(deviations, float), paired)
    chances = np.zeros(len(means))
    rows = _possible_members(points)
    draws = max(draws // 5, min(draws, MOST_DRAWS_TIMES_POINTS // max(1, len(rows))))
    chances[rows] = _front_shares(points.select(rows), draws, seed)
    return chances


def knee_chances(
    means: Array,
    deviations: Array,
    draws: int = DRAWS,
    seed: int = 0,
    paired: Mapping[int, PairedErrors] = NOT_PAIRED,
) -> Array:
    """Returns the probability [N] of each point of a front [N, M] to be `pareto.knee`.

    Arguments are those of `non_dominated_chances`.
    """
    random = np.random.default_rng(seed)
    total = np.zeros((draws, len(means)))
    columns = zip(np.transpose(means), np.transpose(deviations), strict=True)
    for column, (mean, deviation) in enumerate(columns):
        if deviation.any():  # in place: allocating memory takes as long as computing
            drawn = random.standard_normal(total.shape)
            drawn *= deviation
            if errors := paired.get(column):
                drawn[:, errors.paired] = errors.draw(draws, seed)
            drawn += mean
        else:
            drawn = mean[None, :].copy()
        low, high = drawn.min(axis=1, keepdims=True), drawn.max(axis=1, keepdims=True)
        drawn -= low
        drawn /= np.where(high > low, high - low, 1.0)
        total += drawn
    return np.bincount(total.argmin(axis=1), minlength=len(means)) / draws


def _possible_members(points: NoisyPoints) -> Array:
    """Returns the rows of the first layers' points that are not surely dominated, in order."""
    rows = _first_layers(points.means, points.deviations, MOST_POINTS)
    possible: Array = rows[~_surely_dominated(points.means[rows], points.deviations[rows])]
    return possible


def _first_layers(means: Array, deviations: Array, most: int) -> Array:
    """Returns the rows of the first layers if all points are lucky; `most` at most, in order.

    A layer is the front of the points that are in no earlier layer. The front of the means is never
    left out.
    """
    if len(means) <= most:
        return np.arange(len(means))
    from moocore import is_nondominated, pareto_rank  # not needed if the front is certain

    layers = pareto_rank(means - deviations)
    front = is_nondominated(means, keep_weakly=True)
    layers[front] = -1
    return np.sort(np.argsort(layers, kind="stable")[: max(most, int(front.sum()))])


def _surely_dominated(means: Array, deviations: Array) -> Array:
    """Returns bool [N]: which points are dominated even if they are lucky and the other is not."""
    dominated = np.zeros(len(means), dtype=bool)
    if not len(means):
        return dominated
    from moocore import is_nondominated

    best, worst = means - SURE * deviations, means + SURE * deviations
    columns = np.ascontiguousarray(best.T)
    for point in worst[is_nondominated(worst)]:
        behind = np.ones(len(means), dtype=bool)
        equal = np.ones(len(means), dtype=bool)
        for column, value in zip(columns, point, strict=True):
            behind &= column >= value
            equal &= column == value
        dominated |= behind & ~equal
    return dominated


def _front_shares(points: NoisyPoints, draws: int, seed: int) -> Array:
    """Returns the share [N] of the draws in which each point is on the front."""
    from moocore import is_nondominated

    means, deviations, paired = points
    noisy = deviations.any(axis=0)
    if not noisy.any():
        draws = 1  # all draws are equal
    # moocore sorts by the last column: twice as fast if that is in order, or nearly so
    columns = np.argsort(~noisy, kind="stable")
    order = np.argsort(means[:, columns[-1]], kind="stable")
    drawn = np.ascontiguousarray(means[order][:, columns])
    count = int(noisy.sum())
    centres, spreads = drawn[:, :count].copy(), deviations[order][:, columns[:count]]
    joint = [
        (index, paired[column].select(order))
        for index, column in enumerate(columns[:count].tolist())
        if column in paired
    ]
    joint_draws = [(index, errors.paired, errors.draw(draws, seed)) for index, errors in joint]
    random = np.random.default_rng(seed)
    on_front = np.zeros(len(means))
    for turn in range(draws):
        drawn[:, :count] = spreads * random.standard_normal(centres.shape)
        for index, is_paired, errors_of_draws in joint_draws:
            drawn[is_paired, index] = errors_of_draws[turn]
        drawn[:, :count] += centres
        on_front += is_nondominated(drawn, keep_weakly=True)
    shares = np.empty(len(means))
    shares[order] = on_front / draws
    return shares
