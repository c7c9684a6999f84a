"""Measures an artifact: the study's objectives, what its constraints name, parameters and MACs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objectives.base import Measurement, Subject
from search.plugins import OBJECTIVES
from search.quiet import quiet
from search.spec import ObjectiveSpec, StudySpec

if TYPE_CHECKING:
    import torch

    from objectives.runtimes.base import Artifact
    from search.data.labelled import Labelled

ALWAYS = ("parameters", "macs")
"""Recorded for every candidate, whether or not the study optimizes them."""


@dataclass(frozen=True)
class Gauge:
    """What to measure, and how.

    Attributes:
        quantities: Name -> options as JSON; cheap ones first.
    """

    quantities: tuple[tuple[str, Mapping[str, Any]], ...]

    @staticmethod
    def of(spec: StudySpec) -> Gauge:
        """The study's objectives, the other quantities its constraints and goals name, ALWAYS."""
        wanted: dict[str, Mapping[str, Any]] = {o.name: o.options for o in spec.objectives}
        named = [c.quantity for c in (*spec.constraints, *spec.goals)]
        for name in (*named, *ALWAYS):
            wanted.setdefault(name, {})
        cheap_first = sorted(wanted.items(), key=lambda item: OBJECTIVES.get(item[0]).cost)
        return Gauge(tuple(cheap_first))

    def measure(
        self,
        artifact: Artifact,
        runtime: Any,
        options: Any,
        model: torch.nn.Module,
        data: Labelled,
        baseline: Artifact | None,
        reference: Mapping[str, Measurement],
    ) -> list[Measurement]:
        """Everything, on the validation part.

        Raises:
            Unmeasurable: A quantity cannot be measured.
        """
        subject = Subject(artifact, runtime, options, model, data, baseline, reference)
        return [_measured(subject, name, given, "validation") for name, given in self.quantities]

    def test(
        self, artifact: Artifact, runtime: Any, options: Any, model: Any, data: Labelled
    ) -> list[Measurement]:
        """What depends on data, on the test part; empty when there is none."""
        if data.size("test") == 0:
            return []
        subject = Subject(artifact, runtime, options, model, data)
        return [
            _measured(subject, name, given, "test")
            for name, given in self.quantities
            if OBJECTIVES.get(name).cost == NEEDS_WEIGHTS
        ]


TIMING = 2
"""The `cost` of what a clock measures: while it does, nothing else of ours runs on this host."""

NEEDS_WEIGHTS = 3
"""The `cost` of a quantity that depends on trained weights, and so on data."""


def _measured(subject: Subject, name: str, options: Mapping[str, Any], part: str) -> Measurement:
    objective = OBJECTIVES.get(name)
    params = objective.Params.model_validate(dict(options))
    with quiet.measuring() if objective.cost == TIMING else quiet.working():
        measured = objective.measure(subject, params, part)
    assert isinstance(measured, Measurement)
    return measured


def values_of(
    measured: Sequence[Measurement], objectives: Sequence[ObjectiveSpec]
) -> dict[str, float]:
    """Objective name -> value, in the study's order."""
    found = {m.name: m.value for m in measured}
    return {objective.name: found[objective.name] for objective in objectives}


def violations_of(
    spec: StudySpec, measured: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float]:
    """Constraint text -> violation; positive is broken."""
    return {
        c.text: c.violation(measured[c.quantity], baseline[c.quantity]) for c in spec.constraints
    }
