"""The measurements of trials as points with errors. Pure.

A measurement is taken as a normal distribution around the middle of its 95 % interval: of the value
for a fraction, of its logarithm for any other positive quantity. The error that all trials share is
left out, as only differences count on a front: for scores of the same examples (`paired_errors`),
and for times of one session (`objectives.timing.differences`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.front.differences import has_relative_noise
from paretune.search.front.paired_errors import PairedErrors, paired_errors
from paretune.search.front.pareto import Array
from paretune.search.study.records import Axis, TrialIntervals

Z95 = 1.959964
"""The normal distribution's 97.5 % quantile."""

NOT_PAIRED: Mapping[int, PairedErrors] = MappingProxyType({})
"""The joint errors of points whose errors are all independent."""


class NoisyPoints(NamedTuple):
    """Measurements of N trials as losses, with their errors.

    Attributes:
        means: Means [N, M].
        deviations: Standard deviations [N, M]; without the error that paired trials share.
        paired: Column -> joint errors of the trials that are paired in this objective.
    """

    means: Array
    deviations: Array
    paired: Mapping[int, PairedErrors]

    def select(self, rows: Array) -> NoisyPoints:
        """Returns these points, in this order."""
        paired = {column: errors.select(rows) for column, errors in self.paired.items()}
        return NoisyPoints(self.means[rows], self.deviations[rows], paired)


def noisy_points(
    trials: Sequence[Mapping[str, Measurement]],
    axes: Sequence[Axis],
    others: TrialIntervals | None = None,
) -> NoisyPoints:
    """Returns the measurements of trials as losses.

    Args:
        trials: The measurements of each trial, by objective.
        axes: The objectives.
        others: Further trials, which come after `trials`. Each was measured in its own session.
    """
    count = len(trials) + (len(others.numbers) if others else 0)
    means, deviations = np.empty((2, count, len(axes)))
    paired = {}
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
        middles, half = ends.mean(axis=1), (ends[:, 1] - ends[:, 0]) / (2 * Z95)
        errors = paired_errors(measured, relative)
        if errors is not None:
            errors = paired[column] = _with_others(errors, count)
            if errors.paired.all():
                values = np.array([m.value for m in measured])
                middles = np.log(values) if relative else values
            half = _paired_deviations(errors, half)
        elif relative and not others:
            session = session_deviations(measured)
            half = half if session is None else session
        means[:, column], deviations[:, column] = sign * middles, half
    return NoisyPoints(means, deviations, paired)


def _with_others(errors: PairedErrors, count: int) -> PairedErrors:
    """Returns the errors of `count` points; the further ones are not paired."""
    missing = count - len(errors.rows)
    return replace(errors, rows=np.concatenate([errors.rows, np.full(missing, -1)]))


def _paired_deviations(errors: PairedErrors, alone: Array) -> Array:
    """Returns the deviations [N] of points without the shared error.

    A point that is not paired is taken to share as much of its error as the paired ones.

    Args:
        errors: The joint errors.
        alone: Deviations [N] by the interval of each point alone.
    """
    is_paired, deviations = errors.paired, alone.copy()
    deviations[is_paired] = errors.deviations()
    with_width = is_paired & (alone > 0)
    if with_width.any() and not is_paired.all():
        share = float(np.median(deviations[with_width] / alone[with_width]))
        deviations[~is_paired] *= min(1.0, share)
    return deviations


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
