"""The constraints of a study that follow from a network's structure, before any training."""

from __future__ import annotations

from paretune.objectives.base import Measurement
from paretune.search.measuring.gauge import TIMING, Gauge
from paretune.search.study.quantity import SUSTAINED, Quantity
from paretune.search.study.spec import Constraint, StudySpec
from paretune.search.study.tables import OBJECTIVES

SCREEN = "screen"
"""Name of screening among the stages of a trial."""

STRUCTURAL = ("parameters", "macs", "activations", "size", "latency", "throughput")
"""Objectives that follow from a network's structure, whatever its weights."""


MARGIN = {"size": 0.01, "latency": 0.02, "throughput": 0.02}
"""A trained network may differ from an untrained one by this share, beyond the interval."""


def surely_breaks(constraint: Constraint, measurement: Measurement, baseline: float) -> bool:
    """Returns whether even the better end of the interval, plus a margin, is out of bounds.

    Args:
        constraint: The constraint.
        measurement: Its quantity, measured on an untrained network.
        baseline: The baseline's value of the quantity.
    """
    margin = MARGIN.get(Quantity.of(constraint.quantity).objective, 0.0)
    low, high = measurement.low * (1 - margin), measurement.high * (1 + margin)
    return constraint.violation(low if constraint.upper else high, baseline) > 0


def structural_constraints(spec: StudySpec) -> tuple[Constraint, ...]:
    """Returns the constraints to check before training; none if screening is off."""
    if not spec.screening or spec.trainer is not None:
        return ()
    return tuple(constraint for constraint in spec.constraints if _bounds(spec, constraint))


def structural(name: str) -> bool:
    """Returns whether a quantity follows from the structure."""
    return Quantity.of(name).objective in STRUCTURAL


def timed(name: str) -> bool:
    """Returns whether a quantity is timed with a clock."""
    return bool(OBJECTIVES.get(Quantity.of(name).objective).cost == TIMING)


def _bounds(spec: StudySpec, constraint: Constraint) -> bool:
    """Returns whether a constraint bounds a structural quantity."""
    quantity = Quantity.of(constraint.quantity)
    if quantity.local == SUSTAINED:
        return False  # minutes of load are no quick look
    options = dict(Gauge.of(spec, quantity.target).quantities).get(quantity.objective, {})
    # A compressed file is smaller if pruning made zeros or weights share few values.
    return quantity.objective in STRUCTURAL and not options.get("compressed")
