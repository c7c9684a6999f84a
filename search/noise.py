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

from objectives.base import Measurement
from objectives.differences import difference
from search.pareto import Array
from search.records import Axis

Z95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

DRAWS = 1000

SURE = 5.0
"""Standard errors of a difference beyond which it is taken as certain."""

LOGISTIC = 1.702
"""The logistic function of so many times x is the normal integral up to x, within .0095."""

FEWEST = 8
"""Values from which on their spread is told apart from their noise."""

MOST = 1_000_000
"""Draws times points; of thousands of points that may be on the front fewer draws are made."""

DRAWN = 3000
"""Points that are drawn at most: where more may be on the front, the least probable are not."""


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
    trials: Sequence[Mapping[str, Measurement]], axes: Sequence[Axis]
) -> tuple[Array, Array]:
    """Measurements as losses: their middles [N, M] and standard deviations [N, M].

    Args:
        trials: For each the measurement of every axis.
        axes: The objectives.
    """
    middles = np.empty((len(trials), len(axes)))
    deviations = np.empty_like(middles)
    for column, axis in enumerate(axes):
        measured = [trial[axis.name] for trial in trials]
        ends = np.array([(m.low, m.high) for m in measured], dtype=float).reshape(-1, 2)
        if logarithmic(measured):
            ends = np.log(ends)
        sign = 1.0 if axis.better == "lower" else -1.0
        middles[:, column] = sign * ends.mean(axis=1)
        own = of_one_session(measured) if logarithmic(measured) else None
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


def front_chances(middles: Array, deviations: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Probability [N] of each point that no other is better, by drawing all of them anew.

    Of more than DRAWN that may be, the least probable get none.

    Args:
        middles: Losses [N, M].
        deviations: Their standard deviations [N, M]; 0 is exact.
        draws: How many times.
        seed: The same gives the same.
    """
    middles, deviations = np.asarray(middles, float), np.asarray(deviations, float)
    found = np.zeros(len(middles))
    alive = _alive(middles, deviations)
    draws = max(draws // 5, min(draws, MOST // max(1, len(alive))))
    found[alive] = _drawn(middles[alive], deviations[alive], draws, seed)
    return found


def knee_chances(middles: Array, deviations: Array, draws: int = DRAWS, seed: int = 0) -> Array:
    """Probability [N] of each member of a front [N, M] to be its knee, as `pareto.knee` has it."""
    random = np.random.default_rng(seed)
    drawn = middles + deviations * random.standard_normal((draws, *np.shape(middles)))
    low, high = drawn.min(axis=1, keepdims=True), drawn.max(axis=1, keepdims=True)
    width = np.where(high > low, high - low, 1.0)
    found = ((drawn - low) / width).sum(axis=2).argmin(axis=1)
    return np.bincount(found, minlength=len(middles)) / draws


def _alive(middles: Array, deviations: Array) -> Array:
    """Numbers of the points, DRAWN at most, that no point of the front is certain to beat."""
    from moocore import is_nondominated

    if not len(middles):
        return np.empty(0, int)
    front = is_nondominated(middles, keep_weakly=True)
    beaten, doubt = _beaten(middles, deviations, np.flatnonzero(front))
    doubt[front] = np.inf  # what was seen on the front is never left out
    alive = np.flatnonzero(~beaten)
    most = max(DRAWN, int(front.sum()))
    return np.sort(alive[np.argsort(-doubt[alive], kind="stable")[:most]])


def _beaten(middles: Array, deviations: Array, front: Array) -> tuple[Array, Array]:
    """Which points [N] some point of the front is certain to beat, and how doubtful it is [N].

    The doubt is the logarithm of the probability that none beats it, as if each did by itself.
    """
    columns, variances = np.ascontiguousarray(middles.T), np.ascontiguousarray(deviations.T) ** 2
    order = np.argsort([variance.any() for variance in variances], kind="stable")  # exact first
    beaten, doubt = np.zeros(len(middles), dtype=bool), np.zeros(len(middles))
    for one in front:
        at = np.arange(len(middles))  # those that it may beat
        by, better = np.full(len(middles), np.inf), np.zeros(len(middles), dtype=bool)
        for column, variance in zip(columns[order], variances[order], strict=True):
            gap, error = column[at] - column[one], np.sqrt(variance[at] + variance[one])
            sure = np.where(gap < 0, -np.inf, np.inf)
            by = np.minimum(by, np.divide(gap, error, out=sure, where=error > 0))
            better |= gap > 0
            able = by > -np.inf
            at, by, better = at[able], by[able], better[able]
        at, by = at[better], by[better]  # its equals are none
        beaten[at[by >= SURE]] = True
        doubt[at] -= np.logaddexp(0.0, LOGISTIC * by)
    return beaten, doubt


def _drawn(middles: Array, deviations: Array, draws: int, seed: int) -> Array:
    from moocore import is_nondominated  # not read where the front is certain

    noisy = np.flatnonzero(deviations.any(axis=0))
    if not len(noisy):
        draws = 1  # all are alike
    random = np.random.default_rng(seed)
    found = np.zeros(len(middles))
    drawn = middles.copy()
    for _ in range(draws):
        noise = random.standard_normal((len(middles), len(noisy)))
        drawn[:, noisy] = middles[:, noisy] + deviations[:, noisy] * noise
        found += is_nondominated(drawn, keep_weakly=True)
    return found / draws
