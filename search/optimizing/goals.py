"""Goals of an optimization: how far a trial is from them.

A margin is how far a value is on the good side of a goal. It counts as a share of the way from the
baseline to the goal, so that milliseconds and points of accuracy count alike. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.objectives.base import Measurement
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import Constraint

LEAST_WAY = 0.01
"""Shortest way from the baseline to a goal: a point of a fraction, or 1 % of the goal."""


@dataclass(frozen=True)
class Standing:
    """How a value stands to one goal.

    Attributes:
        goal: The goal.
        value: The value of its quantity.
        bound: The goal's right side as a number.
        margin: How far the value is on the good side, as a share of the way from the baseline to
            the goal; negative if the goal is missed.
        unit: Unit of value and bound.
    """

    goal: Constraint
    value: float
    bound: float
    margin: float
    unit: str

    @property
    def met(self) -> bool:
        """Whether the value meets the goal."""
        return self.margin >= 0


def standings(
    measurements: Mapping[str, Measurement],
    goals: Sequence[Constraint],
    baseline: Mapping[str, Measurement],
) -> tuple[Standing, ...] | None:
    """Returns how measurements stand to the goals; None if a quantity was not measured.

    Args:
        measurements: Those of a trial.
        goals: The goals.
        baseline: Measurements of the baseline; empty in a study without one.
    """
    if any(goal.quantity not in measurements for goal in goals):
        return None
    return tuple(_standing(measurements[goal.quantity], goal, baseline) for goal in goals)


def _standing(
    measured: Measurement, goal: Constraint, baseline: Mapping[str, Measurement]
) -> Standing:
    base = baseline[goal.quantity].value if goal.quantity in baseline else 0.0
    bound = goal.bound.resolve(base)
    margin = -goal.excess(measured.value, base) / way(bound, base, measured.unit)
    return Standing(goal, measured.value, bound, margin, measured.unit)


def way(bound: float, base: float, unit: str) -> float:
    """Returns the way from the baseline's value to a goal, at least LEAST_WAY."""
    least = LEAST_WAY if unit == "fraction" else LEAST_WAY * abs(bound)
    return max(abs(bound - base), least) or 1.0


def worst_margin(
    trial: TrialRecord, goals: Sequence[Constraint], baseline: Mapping[str, Measurement]
) -> float:
    """Returns the smallest margin of a trial; minus infinity if a quantity was not measured."""
    stands = standings(trial.measurements, goals, baseline)
    if stands is None:
        return -math.inf
    return min((stand.margin for stand in stands), default=0.0)
