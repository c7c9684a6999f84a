"""Pareto mathematics: pure functions on arrays of losses, where lower is better in each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paretune.search.study.records import Axis

Array = np.ndarray

COST_REFERENCE = 1.2
"""Reference of a cost relative to the baseline: what costs a fifth more is worth nothing."""


def dominates(a: Array, b: Array) -> bool:
    """Whether a [M] is nowhere worse than b [M] and somewhere better."""
    return bool((a <= b).all() and (a < b).any())


def non_dominated(losses: Array) -> Array:
    """Bool [N]: which rows of losses [N, M] no other row dominates; equal rows are all kept.

    Raises:
        ValueError: A loss is NaN, which is neither better nor worse than anything.
    """
    losses = np.asarray(losses, dtype=float)
    if np.isnan(losses).any():
        raise ValueError("losses must not be NaN")
    keep = np.ones(len(losses), dtype=bool)
    for index in range(len(losses)):
        if not keep[index]:
            continue  # what it dominates is dominated by its own dominator, too
        row = losses[index]
        beaten = (row <= losses).all(axis=1) & (row < losses).any(axis=1)
        keep &= ~beaten
    return keep


class Front:
    """A front that grows point by point; adding costs as much as the front is long."""

    def __init__(self) -> None:
        self._members: list[int] = []
        self._losses: Array | None = None

    @property
    def members(self) -> tuple[int, ...]:
        """Numbers of the points on the front, in the order they came."""
        return tuple(self._members)

    @property
    def losses(self) -> Array:
        """[front, M], in the order of `members`."""
        return np.empty((0, 0)) if self._losses is None else self._losses

    def add(self, number: int, losses: Array) -> bool:
        """Takes a point [M] in; True when it is on the front now. An equal point is kept beside.

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
        beaten = (losses <= old).all(axis=1) & (losses < old).any(axis=1)
        stay = np.logical_not(beaten)
        self._members = [m for m, keep in zip(self._members, stay, strict=True) if keep]
        self._members.append(number)
        self._losses = np.vstack([old[stay], losses])
        return True


def hypervolume(losses: Array, reference: Array) -> float:
    """Volume that points [N, M] dominate, up to a reference [M]; points beyond it add nothing."""
    losses = np.asarray(losses, dtype=float)
    if losses.size == 0:
        return 0.0
    from moocore import hypervolume as volume  # not read by who only looks at a front

    return float(volume(losses, ref=np.asarray(reference, dtype=float)))


def to_losses(
    values: Mapping[str, float],
    axes: Sequence[Axis],
    baseline: Mapping[str, float] | None,
    classes: int | None,
) -> tuple[Array, Array]:
    """Objective values as losses [M] on one scale, and the hypervolume's reference [M].

    A fraction that is better higher (accuracy) becomes the error, with chance level as reference; a
    cost becomes its ratio to the baseline, and a gain the baseline's ratio to it, with 1.2. Without
    a baseline a loss is in units of its axis' `worst`, which is the reference; a fraction's
    reference is then 1 where no other is given, and any other quantity's is NaN: unknown.
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
    return _ratio(value, base) if axis.better == "lower" else _ratio(base, value)


def _reference(axis: Axis, baseline: Mapping[str, float] | None, classes: int | None) -> float:
    if axis.worst is not None:
        return _loss(axis, axis.worst, baseline)
    if axis.unit == "fraction" and axis.better == "higher":
        return 1 - 1 / classes if classes else 1.0
    if baseline is not None:
        return COST_REFERENCE
    return 1.0 if axis.unit == "fraction" else float("nan")


def _ratio(above: float, below: float) -> float:
    """Above / below; infinite where there is nothing to divide by."""
    if below == 0:
        return 1.0 if above == 0 else float("inf")
    return above / below


def knee(losses: Array) -> int:
    """Index of the knee of a front [N, M]: where giving up a little of one thing buys most.

    The point farthest below the plane through the extremes, after each column is scaled to [0, 1]
    over the front (the normal-boundary knee, Das 1999, https://doi.org/10.1007/BF01195985). On the
    scaled front that plane is sum = const, so it is the point with the smallest sum; of equal ones
    the first.

    Raises:
        ValueError: The front is empty.
    """
    losses = np.asarray(losses, dtype=float)
    if len(losses) == 0:
        raise ValueError("an empty front has no knee")
    low, high = losses.min(axis=0), losses.max(axis=0)
    width = np.where(high > low, high - low, 1.0)
    return int(((losses - low) / width).sum(axis=1).argmin())
