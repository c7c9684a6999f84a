"""Computes fronts, hypervolumes and knees of arrays of losses: lower is better in each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paretune.search.study.records import Axis

Array = np.ndarray

COST_REFERENCE = 1.2
"""Reference of a cost relative to the baseline: 1.2 times the cost and more add nothing."""


def dominates(a: Array, b: Array) -> bool:
    """Returns whether a [M] is nowhere worse than b [M] and somewhere better."""
    return bool((a <= b).all() and (a < b).any())


def non_dominated(losses: Array) -> Array:
    """Returns bool [N]: which rows of losses [N, M] no other row dominates.

    Equal rows are all kept.

    Raises:
        ValueError: A loss is NaN, which is neither better nor worse than anything.
    """
    losses = np.asarray(losses, dtype=float)
    if np.isnan(losses).any():
        raise ValueError("losses must not be NaN")
    keep = np.ones(len(losses), dtype=bool)
    for index in range(len(losses)):
        if not keep[index]:
            continue  # the row that dominates it dominates the same rows, too
        row = losses[index]
        dominated = (row <= losses).all(axis=1) & (row < losses).any(axis=1)
        keep &= ~dominated
    return keep


class Front:
    """A front to which points are added; the time to add one is proportional to its length."""

    def __init__(self) -> None:
        self._members: list[int] = []
        self._losses: Array | None = None

    @property
    def members(self) -> tuple[int, ...]:
        """Numbers of the points on the front, in the order in which they were added."""
        return tuple(self._members)

    @property
    def losses(self) -> Array:
        """Losses [front, M], in the order of `members`."""
        return np.empty((0, 0)) if self._losses is None else self._losses

    def add(self, number: int, losses: Array) -> bool:
        """Adds a point [M]; returns whether it is on the front now. Equal points are all kept.

        Raises:
            ValueError: A loss is NaN.
        """
        losses = np.asarray(losses, dtype=float)
        if np.isnan(losses).any():
            raise ValueError("losses must not be NaN")
        if self._losses is None:
            self._members, self._losses = [number], losses[None, :]
            return True
        old = self._losses
        if ((old <= losses).all(axis=1) & (old < losses).any(axis=1)).any():
            return False
        dominated = (losses <= old).all(axis=1) & (losses < old).any(axis=1)
        stay = np.logical_not(dominated)
        self._members = [m for m, keep in zip(self._members, stay, strict=True) if keep]
        self._members.append(number)
        self._losses = np.vstack([old[stay], losses])
        return True


def hypervolume(losses: Array, reference: Array) -> float:
    """Returns the volume that points [N, M] dominate, up to a reference [M].

    Points beyond the reference add nothing.
    """
    losses = np.asarray(losses, dtype=float)
    if losses.size == 0:
        return 0.0
    from moocore import hypervolume as volume  # slow to import, and not needed to show a front

    return float(volume(losses, ref=np.asarray(reference, dtype=float)))


def to_losses(
    values: Mapping[str, float],
    axes: Sequence[Axis],
    baseline: Mapping[str, float] | None,
    classes: int | None,
) -> tuple[Array, Array]:
    """Returns objective values as losses [M], and the hypervolume's reference [M].

    - A fraction that is better higher (accuracy) becomes the error; its reference is chance level.
    - A cost becomes its ratio to the baseline, a gain the baseline's ratio to it; the reference is
      1.2. If the baseline's value is negative, it is 1 plus the difference as a share of it.
    - Without a baseline, a loss is in units of its axis' `worst`, which is the reference. If there
      is no `worst`, the reference is 1 for a fraction and NaN (unknown) for any other quantity.
    """
    losses = [_loss(axis, values[axis.name], baseline) for axis in axes]
    return np.array(losses), np.array([_reference(axis, baseline, classes) for axis in axes])


def _loss(axis: Axis, value: float, baseline: Mapping[str, float] | None) -> float:
    if axis.unit == "fraction" and axis.better == "higher":
        return 1 - value
    if baseline is None:
        unit = abs(axis.worst) if axis.worst else 1.0
        return value / unit if axis.better == "lower" else -value / unit
    base = baseline[axis.name]
    if base < 0:
        worse = value - base if axis.better == "lower" else base - value
        return 1 + worse / -base
    if axis.better == "lower":
        return _ratio(value, base)
    return _ratio(base, value) if value >= 0 else float("inf")


def _reference(axis: Axis, baseline: Mapping[str, float] | None, classes: int | None) -> float:
    if axis.worst is not None:
        return _loss(axis, axis.worst, baseline)
    if axis.unit == "fraction" and axis.better == "higher":
        return 1 - 1 / classes if classes else 1.0
    if baseline is not None:
        return COST_REFERENCE
    return 1.0 if axis.unit == "fraction" else float("nan")


def _ratio(above: float, below: float) -> float:
    """Returns above / below; 1 if both are 0, infinity if only `below` is."""
    if below == 0:
        return 1.0 if above == 0 else float("inf")
    return above / below


def knee(losses: Array) -> int:
    """Returns the index of the knee of a front [N, M]: the best compromise between the losses.

    It is the point farthest below the plane through the extremes, after each column is scaled to
    [0, 1] over the front (the normal-boundary knee, Das 1999, https://doi.org/10.1007/BF01195985).
    On the scaled front that plane is sum = const. So the knee is the point with the smallest sum;
    of equal points the first.

    Raises:
        ValueError: The front is empty.
    """
    losses = np.asarray(losses, dtype=float)
    if len(losses) == 0:
        raise ValueError("an empty front has no knee")
    low, high = losses.min(axis=0), losses.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    return int(((losses - low) / width).sum(axis=1).argmin())
