"""Foreseen: the constraints of a study that a network's structure decides, before any training."""

from __future__ import annotations

from paretune.search.measuring.gauge import Gauge
from paretune.search.study.quantity import Quantity
from paretune.search.study.spec import Constraint, StudySpec

SCREEN = "screen"
"""What looking at them is called among a trial's stages."""

STRUCTURAL = ("parameters", "macs", "activations", "size", "latency", "throughput")
"""Objectives that follow from a network's structure, whatever its weights."""


def foreseen(spec: StudySpec) -> tuple[Constraint, ...]:
    """The constraints that are looked at before training; none where that is switched off."""
    if not spec.screening or spec.trainer is not None:
        return ()
    return tuple(constraint for constraint in spec.constraints if _structural(spec, constraint))


def _structural(spec: StudySpec, constraint: Constraint) -> bool:
    quantity = Quantity.of(constraint.quantity)
    options = dict(Gauge.of(spec, quantity.target).quantities).get(quantity.objective, {})
    # Zeros that pruning made, and few distinct values, make a compressed file smaller.
    return quantity.objective in STRUCTURAL and not options.get("compressed")
