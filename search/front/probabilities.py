"""Noise: which measured differences are differences, and how probable it is to be on the front.

Pure. A measurement stands for a normal distribution in the middle of its 95 % interval: of the
value itself for a fraction, of its logarithm for anything else that is positive. The errors of two
trials are taken as independent. Those of accuracies on the same images are not: networks of a study
fail on the same hard images, which makes a real difference more certain than is said here.
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

SURE = 5.0
"""Standard deviations from its middle within which a point is taken to lie for certain."""

FEWEST = 8
"""Values from which on their spread is told apart from their noise."""

MOST = 600_000
"""Draws times points; of thousands of points that may be on the front fewer draws are made."""

DRAWN = 3000
"""Points that are drawn at most: of more, those in the first layers of the front."""


def differ(a: Measurement, b: Measurement) -> bool:
    """Whether two measurements of one quantity differ: the 95 % interval of a - b is without 0."""
    low, high = interval(a, b)
    return low > 0 or high < 0


def interval(a: Measurement, b: Measurement) -> tuple[float, float]:
    """The 95 % interval of a - b; of log(a / b) for positive quantities that are no fractions.

    Of the latter, what both share in one session cancels (`objectives.differences`). Otherwise it
    is made of the two intervals (MOVER: Zou and Donner 2008, https://doi.org/10.1002/sim.3095);
    with Wilson's that is the interval of two proportions that Newcombe recommends (1998, method 10,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C873::AID-SIM779%3E3.0.CO;2-I).
    """
    if logarithmic([a, b]):
        from paretune.objectives.timing.differences import (
            difference,  # not read by who compares fractions
        )

        found = difference(a, b)
        return found.value - found.half, found.value + found.half
    return (
        a.value - b.value - math.hypot(a.value - a.low, b.high - b.value),
        a.value - b.value + math.hypot(a.high - a.value, b.value - b.low),
    )


def logarithmic(measured: Sequence[Measurement]) -> bool:
    """Whether the noise of a quantity is relative: it is positive, and no fraction."""
    return all(m.unit != "fraction" and min(m.low, m.value) > 0 for m in measured)


def normals(
    trials: Sequence[Mapping[str, Measurement]],
    axes: Sequence[Axis],
    other_intervals: TrialIntervals | None = None,
) -> tuple[Array, Array]:
    """Measurements as losses: their middles [N, M] and standard deviations [N, M].

    Args:
        trials: For each the measurement of every axis.
        axes: The objectives.
        others: Further trials, which come behind; each was measured in a session of its own.
    """
    count = len(trials) + (len(other_intervals.numbers) if other_intervals else 0)
    middles, deviations = np.empty((2, count, len(axes)))
    for column, axis in enumerate(axes):
        measured = [trial[axis.name] for trial in trials]
        ends = np.array([(m.low, m.high) for m in measured], dtype=float).reshape(-1, 2)
        relative = logarithmic(measured)
        if other_intervals:
            more = np.column_stack(
                [other_intervals.low[:, column], other_intervals.high[:, column]]
            )
            relative = relative and axis.unit != "fraction" and bool((more > 0).all())
            ends = np.vstack([ends, more])
        if relative:
            ends = np.log(ends)
        sign = 1.0 if axis.better == "lower" else -1.0
        middles[:, column] = sign * ends.mean(axis=1)
        own = of_one_session(measured) if relative and not other_intervals else None
        deviations[:, column] = (ends[:, 1] - ends[:, 0]) / (2 * Z95) if own is None else own
    return middles, deviations


def of_one_session(measured: Sequence[Measurement]) -> Array | None:
    """Standard deviations [N] of the logarithms, without what all of one session share.

    They are those that make up the variances of all differences best, v[i, j] = s[i]^2 + s[j]^2
    (least squares). None where the measurements are of several sessions, or too few.
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
    found: Array = np.sqrt(np.maximum((rows - total) / (count - 2), 0.0))
    return found


def shrunk(middles: Array, deviations: Array) -> Array:
    """Middles [N, M] with the luck taken out that the best of many have.

    Who is better than the median is drawn back to it by the noise's share of the spread of the
    better half (empirical Bayes, Efron and Morris 1975, https://doi.org/10.2307/2285814; by
    quantiles, for a few collapsed trials must not stand for the spread). Where all the spread is
    noise, the best are as good as the median. The deviations stay as they are, which is wider than
    theory has it. Fewer than FEWEST are left alone.
    """
    if len(middles) < FEWEST:
        return middles
    median, good = np.quantile(middles, [0.5, 0.16], axis=0)
    noise = (deviations**2).mean(axis=0)
    true = np.maximum((median - good) ** 2 - noise, 0.0)
    total = deviations**2 + true
    share = np.divide(deviations**2, total, out=np.zeros_like(total), where=total > 0)
    found: Array = middles + share * np.maximum(median - middles, 0.0)
    return found


def non_dominated_chances(
    middles: Array, deviations: Array, draws: int = DRAWS, seed: int = 0
) -> Array:
    """Probability [N] of each point that no other is better, by drawing all of them anew.

    Of more than DRAWN points, those that lie behind the most layers get none. For 10,000 trials
    whose errors overlap as widely as in `tests/benchmarks/trivial.py`, the others have 94 % of all
    the probability there is.

    Args:
        middles: Losses [N, M].
        deviations: Their standard deviations [N, M]; 0 is exact.
        draws: How many times.
        seed: The same gives the same.
    """
    middles, deviations = np.asarray(middles, float), np.asarray(deviations, float)
    found = np.zeros(len(middles))
    able = _first_layers(middles, deviations)
    able = able[~_surely_beaten(middles[able], deviations[able])]
    draws = max(draws // 5, min(draws, MOST // max(1, len(able))))
    found[able] = _drawn(middles[able], deviations[able], draws, seed)
    return found


def knee_chances(middles: Array, deviations: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Probability [N] of each member of a front [N, M] to be its knee, as `pareto.knee` has it."""
    random = np.random.default_rng(seed)
    total = np.zeros((draws, len(middles)))
    for middle, deviation in zip(np.transpose(middles), np.transpose(deviations), strict=True):
        if deviation.any():  # in place: new memory takes as long as what is counted
            drawn = random.standard_normal(total.shape)
            drawn *= deviation
            drawn += middle
        else:
            drawn = middle[None, :].copy()
        low, high = drawn.min(axis=1, keepdims=True), drawn.max(axis=1, keepdims=True)
        drawn -= low
        drawn /= np.where(high > low, high - low, 1.0)
        total += drawn
    return np.bincount(total.argmin(axis=1), minlength=len(middles)) / draws


def _first_layers(middles: Array, deviations: Array) -> Array:
    """Numbers of the points, DRAWN at most, of the first layers when all are at their luckiest.

    A layer is the front of what the layers before it leave. The front itself is never left out.
    """
    if len(middles) <= DRAWN:
        return np.arange(len(middles))
    from moocore import is_nondominated, pareto_rank  # not read where the front is certain

    layers = pareto_rank(middles - deviations)
    front = is_nondominated(middles, keep_weakly=True)
    layers[front] = -1
    return np.sort(np.argsort(layers, kind="stable")[: max(DRAWN, int(front.sum()))])


def _surely_beaten(middles: Array, deviations: Array) -> Array:
    """Bool [N]: who some point beats even if that one has bad luck, and the beaten one good."""
    found = np.zeros(len(middles), dtype=bool)
    if not len(middles):
        return found
    from moocore import is_nondominated

    best, worst = middles - SURE * deviations, middles + SURE * deviations
    columns = np.ascontiguousarray(best.T)
    for one in worst[is_nondominated(worst)]:
        behind = np.ones(len(middles), dtype=bool)
        equal = np.ones(len(middles), dtype=bool)
        for column, value in zip(columns, one, strict=True):
            behind &= column >= value
            equal &= column == value
        found |= behind & ~equal
    return found


def _drawn(middles: Array, deviations: Array, draws: int, seed: int) -> Array:
    """Share of the draws in which each point is on the front [N]."""
    from moocore import is_nondominated

    noisy = deviations.any(axis=0)
    if not noisy.any():
        draws = 1  # all are alike
    # moocore sorts by the last column: twice as fast where that is in order, or nearly so
    columns = np.argsort(~noisy, kind="stable")
    order = np.argsort(middles[:, columns[-1]], kind="stable")
    drawn = np.ascontiguousarray(middles[order][:, columns])
    count = int(noisy.sum())
    centres, spreads = drawn[:, :count].copy(), deviations[order][:, columns[:count]]
    random = np.random.default_rng(seed)
    on_front = np.zeros(len(middles))
    for _ in range(draws):
        drawn[:, :count] = centres + spreads * random.standard_normal(centres.shape)
        on_front += is_nondominated(drawn, keep_weakly=True)
    found = np.empty(len(middles))
    found[order] = on_front / draws
    return found
