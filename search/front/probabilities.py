"""Decides which measured differences are beyond noise, and how probable a place on the front is.

Pure. A measurement is taken as a normal distribution around the middle of its 95 % interval: of the
value for a fraction, of its logarithm for any other positive quantity. The errors of two trials are
taken as independent. The errors of accuracies on the same images are not independent: the networks
of a study fail on the same hard images, so real differences are more certain than computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.pareto import Array
from paretune.search.study.records import Axis, TrialIntervals

Z95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

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


def differ(a: Measurement, b: Measurement) -> bool:
    """Returns whether the 95 % interval of a - b, of one quantity, is without 0."""
    low, high = difference_interval(a, b)
    return low > 0 or high < 0


def difference_interval(a: Measurement, b: Measurement) -> tuple[float, float]:
    """Returns the 95 % interval of a - b; of log(a / b) if their noise is relative.

    - Relative noise: what both share in one session cancels (`objectives.timing.differences`).
    - Else the interval is computed from the two intervals (MOVER: Zou and Donner 2008,
      https://doi.org/10.1002/sim.3095). With Wilson's intervals it is the interval of two
      proportions that Newcombe recommends (1998, method 10,
      https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I).
    """
    if has_relative_noise([a, b]):
        # Not needed to compare fractions.
        from paretune.objectives.timing.differences import difference

        ratio = difference(a, b)
        return ratio.value - ratio.half, ratio.value + ratio.half
    return (
        a.value - b.value - math.hypot(a.value - a.low, b.high - b.value),
        a.value - b.value + math.hypot(a.high - a.value, b.value - b.low),
    )


def has_relative_noise(measured: Sequence[Measurement]) -> bool:
    """Returns whether a quantity's noise is relative: it is positive and not a fraction."""
    return all(m.unit != "fraction" and min(m.low, m.value) > 0 for m in measured)


def means_and_deviations(
    trials: Sequence[Mapping[str, Measurement]],
    axes: Sequence[Axis],
    others: TrialIntervals | None = None,
) -> tuple[Array, Array]:
    """Returns the means [N, M] and standard deviations [N, M] of measurements as losses.

    Args:
        trials: The measurements of each trial, by objective.
        axes: The objectives.
        others: Further trials, which come after `trials`. Each was measured in its own session.
    """
    count = len(trials) + (len(others.numbers) if others else 0)
    means, deviations = np.empty((2, count, len(axes)))
    for column, axis in enumerate(axes):
        measured = [trial[axis.name] for trial in trials]
        ends = np.array([(m.low, m.high) for m in measured], dtype=float).reshape(-1, 2)
        relative = has_relative_noise(measured)
        if others:
            other_ends = np.column_stack([others.low[:, column], others.high[:, column]])
            relative = relative and axis.unit != "fraction" and bool((other_ends > 0).all())
            ends = np.vstack([ends, other_ends])
        if relative:
            ends = np.log(ends)
        sign = 1.0 if axis.better == "lower" else -1.0
        means[:, column] = sign * ends.mean(axis=1)
        session = session_deviations(measured) if relative and not others else None
        deviations[:, column] = (
            (ends[:, 1] - ends[:, 0]) / (2 * Z95) if session is None else session
        )
    return means, deviations


def session_deviations(measured: Sequence[Measurement]) -> Array | None:
    """Returns standard deviations [N] of the logarithms, without the noise that a session shares.

    They fit the variances of all differences best, v[i, j] = s[i]^2 + s[j]^2 (least squares).

    Returns:
        None if the measurements are of several sessions, or fewer than three.
    """
    sessions = {(m.conditions.get("session") or {}).get("id") for m in measured}
    count = len(measured)
    if len(sessions) != 1 or None in sessions or count < 3:
        return None
    from paretune.objectives.timing.differences import difference

    variances = np.zeros((count, count))
    for i, j in combinations(range(count), 2):
        variances[i, j] = variances[j, i] = (difference(measured[i], measured[j]).half / Z95) ** 2
    rows = variances.sum(axis=1)
    total = rows.sum() / (2 * (count - 1))  # the sum of all s^2
    deviations: Array = np.sqrt(np.maximum((rows - total) / (count - 2), 0.0))
    return deviations


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


def non_dominated_chances(
    means: Array, deviations: Array, draws: int = DRAWS, seed: int = 0
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
    """
    means, deviations = np.asarray(means, float), np.asarray(deviations, float)
    chances = np.zeros(len(means))
    rows = _first_layers(means, deviations)
    rows = rows[~_surely_dominated(means[rows], deviations[rows])]
    draws = max(draws // 5, min(draws, MOST_DRAWS_TIMES_POINTS // max(1, len(rows))))
    chances[rows] = _front_shares(means[rows], deviations[rows], draws, seed)
    return chances


def knee_chances(means: Array, deviations: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Returns the probability [N] of each point of a front [N, M] to be `pareto.knee`."""
    random = np.random.default_rng(seed)
    total = np.zeros((draws, len(means)))
    for mean, deviation in zip(np.transpose(means), np.transpose(deviations), strict=True):
        if deviation.any():  # in place: allocating memory takes as long as computing
            drawn = random.standard_normal(total.shape)
            drawn *= deviation
            drawn += mean
        else:
            drawn = mean[None, :].copy()
        low, high = drawn.min(axis=1, keepdims=True), drawn.max(axis=1, keepdims=True)
        drawn -= low
        drawn /= np.where(high > low, high - low, 1.0)
        total += drawn
    return np.bincount(total.argmin(axis=1), minlength=len(means)) / draws


def _first_layers(means: Array, deviations: Array) -> Array:
    """Returns the rows of the first layers if all points are lucky; MOST_POINTS at most, in order.

    A layer is the front of the points that are in no earlier layer. The front of the means is never
    left out.
    """
    if len(means) <= MOST_POINTS:
        return np.arange(len(means))
    from moocore import is_nondominated, pareto_rank  # not needed if the front is certain

    layers = pareto_rank(means - deviations)
    front = is_nondominated(means, keep_weakly=True)
    layers[front] = -1
    return np.sort(np.argsort(layers, kind="stable")[: max(MOST_POINTS, int(front.sum()))])


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


def _front_shares(means: Array, deviations: Array, draws: int, seed: int) -> Array:
    """Returns the share [N] of the draws in which each point is on the front."""
    from moocore import is_nondominated

    noisy = deviations.any(axis=0)
    if not noisy.any():
        draws = 1  # all draws are equal
    # moocore sorts by the last column: twice as fast if that is in order, or nearly so
    columns = np.argsort(~noisy, kind="stable")
    order = np.argsort(means[:, columns[-1]], kind="stable")
    drawn = np.ascontiguousarray(means[order][:, columns])
    count = int(noisy.sum())
    centres, spreads = drawn[:, :count].copy(), deviations[order][:, columns[:count]]
    random = np.random.default_rng(seed)
    on_front = np.zeros(len(means))
    for _ in range(draws):
        drawn[:, :count] = centres + spreads * random.standard_normal(centres.shape)
        on_front += is_nondominated(drawn, keep_weakly=True)
    shares = np.empty(len(means))
    shares[order] = on_front / draws
    return shares
