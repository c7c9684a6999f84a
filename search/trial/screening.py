"""Screening: checks constraints on the untrained network, before any training.

A constraint may bound what follows from the structure alone (`building.network_structure`):
parameters, multiply-adds, activations, file size and speed. A trial that breaks such a constraint
ends before training, with its violation, so that the sampler learns from it as from any trial.
Measurements are kept by structure, also those of trained candidates, and used again. If an error
occurs here, the trial goes on unscreened.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.search.building.exporting import export
from paretune.search.building.network_structure import outline, structure_of
from paretune.search.building.watch import Watch
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.measuring.host_lock import host_lock
from paretune.search.measuring.quick import quick_options
from paretune.search.measuring.structural_constraints import (
    SCREEN,
    structural_constraints,
    surely_breaks,
    timed,
)
from paretune.search.measuring.targets import NO_ARTIFACT
from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.quantity import Quantity, local_values
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study.spec import Constraint, digest
from paretune.search.study.tables import OBJECTIVES
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.trial.structure_timings import StructureTimings
from paretune.search.trial.workbench import Workbench
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.measuring.targets import Target
    from paretune.search.study.plan import Plan
    from paretune.spaces.base import Candidate

_log = logging.getLogger(__name__)


class ScreenedOut(Exception):
    """A trial ends before its training; `result` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__((result.reason or {}).get("text"))
        self.result = result


class Screening:
    """Checks the untrained networks of a study's plans.

    Args:
        workbench: The study's parts.
        timings: Measurements by structure.
    """

    def __init__(self, workbench: Workbench, timings: StructureTimings) -> None:
        self._bench = workbench
        self._timings = timings
        self._constraints = structural_constraints(workbench.spec)
        self._structures: dict[str, str | None] = {}

    def check(
        self, plan: Plan, baseline: TrialRecord | None, watch: Watch, clock: bool = True
    ) -> None:
        """Returns if the plan may hold all constraints, or is trained already.

        Args:
            plan: Plan of the trial.
            baseline: Trial 0; None for trial 0 itself.
            watch: Notes the time.
            clock: Whether times may be taken here.

        Raises:
            ScreenedOut: It breaks a constraint, and training cannot change that.
            StageError: The network cannot exist, or a technique cannot be applied to it.
        """
        if not self._constraints or baseline is None or self._bench.trained(plan):
            return
        with watch.stage(SCREEN), TemporaryDirectory(prefix="paretune-") as folder:
            try:
                network = UntrainedNetwork(self._bench, plan, Path(folder))
                measurements = self._measured(network, baseline, clock)
            except InfeasibleCandidate:
                raise
            except Exception as error:  # whatever a runtime raises; the trial itself will show it
                _log.info("not screened: %s: %s", type(error).__name__, error)
                return
        reference = baseline.measurements
        broken = [c for c in self._constraints if self._breaks(c, measurements, reference)]
        if broken:
            text = "; ".join(f"{_text(measurements[c.quantity])} breaks {c.text}" for c in broken)
            reason = {"stage": SCREEN, "type": "Constraint", "text": f"{text}: not trained"}
            violations = violations_of(
                [c for c in self._constraints if c.quantity in measurements],
                values_by_name(measurements),
                values_by_name(reference),
            )
            measured = tuple(measurements.values())
            raise ScreenedOut(Result("infeasible", {}, violations, measured, reason))

    def _measured(
        self, network: UntrainedNetwork, baseline: TrialRecord, clock: bool
    ) -> dict[str, Measurement]:
        """Returns quantity -> measurement, cheap ones first, until a constraint is broken."""
        structure = self._structure_of(network)
        measurements: dict[str, Measurement] = {}
        if structure is None:
            return measurements
        for target, name in self._wanted():
            if timed(name) and not clock:
                continue
            measurements |= self._objective(network, structure, target, name, baseline)
            if any(self._breaks(c, measurements, baseline.measurements) for c in self._constraints):
                break
        return measurements

    def _wanted(self) -> list[tuple[Target, str]]:
        """Returns (target, objective) to measure, cheap ones first.

        A quantity of the model alone belongs to the first target.
        """
        bounded = [Quantity.of(constraint.quantity) for constraint in self._constraints]
        first = self._bench.targets[0].name
        wanted = {
            (target.name, quantity.objective): target
            for target in self._bench.targets
            for quantity in bounded
            if target.name in (quantity.target, None if quantity.target else first)
        }
        pairs = [(target, name) for (_, name), target in wanted.items()]
        return sorted(pairs, key=lambda pair: OBJECTIVES.get(pair[1]).cost)

    def _objective(
        self,
        network: UntrainedNetwork,
        structure: str,
        target: Target,
        name: str,
        baseline: TrialRecord,
    ) -> dict[str, Measurement]:
        """Returns an objective's quantity -> measurement, stored before or measured now."""
        key = self._timings.key(network.plan, structure, target, timed(name))
        if key is None:
            return {}
        wanted = {Quantity.of(c.quantity).local for c in self._constraints}
        measurements = {
            local: measurement
            for local, measurement in self._timings.of(key).items()
            if Quantity.of(local).objective == name
        }
        if not {n for n in wanted if Quantity.of(n).objective == name} <= measurements.keys():
            measurements = local_values(network.measure(target, name, baseline), target.name)
            self._timings.note(key, measurements)
        return {m.name: m for m in target.named(list(measurements.values()))}

    def _structure_of(self, network: UntrainedNetwork) -> str | None:
        """Returns the structure of a network; None if the weights decide some of it."""
        kinds = (ELASTIC, SUBNET, "prune", "quantize")
        parts = [s.params for s in network.plan.stages if s.kind in kinds]
        key = digest([network.plan.stages[0].params["architecture"], parts])
        if key not in self._structures:
            candidate = network.candidate
            self._structures[key] = None if candidate is None else structure_of(candidate.model)
        return self._structures[key]

    @staticmethod
    def _breaks(
        constraint: Constraint,
        measurements: Mapping[str, Measurement],
        reference: Mapping[str, Measurement],
    ) -> bool:
        """Returns whether even the better end of the interval, plus a margin, is out of bounds."""
        measurement = measurements.get(constraint.quantity)
        if measurement is None:
            return False
        return surely_breaks(constraint, measurement, reference[constraint.quantity].value)


class UntrainedNetwork:
    """The network of a plan without training; built, deployed and measured on demand.

    Args:
        workbench: The study's parts.
        plan: Plan of the trial.
        folder: Folder for its files.
    """

    def __init__(self, workbench: Workbench, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._bench = workbench
        self._folder = folder
        self._artifacts: dict[str | None, Artifact] = {}

    @cached_property
    def candidate(self) -> Candidate | None:
        """The network; None if its structure depends on the weights."""
        with host_lock.working():
            return outline(self.plan, self._bench.data)

    def measure(self, target: Target, name: str, baseline: TrialRecord) -> dict[str, Measurement]:
        """Returns one objective's quantity -> measurement, of the network on a target."""
        assert self.candidate is not None, "a network without structure is not measured"
        options = quick_options(name, dict(target.gauge.quantities)[name])
        target = target.without_load()
        measured_target = replace(target, gauge=target.gauge.only(name, options))
        artifact = self.artifact(target) if OBJECTIVES.get(name).cost else NO_ARTIFACT
        subject = self._bench.subject(measured_target, artifact, self.candidate.model, baseline)
        return {
            m.name: replace(m, conditions={**m.conditions, "untrained": True})
            for m in measured_target.measure(subject)
        }

    def artifact(self, target: Target) -> Artifact:
        """Returns the network's file for a target; exported once."""
        if target.name not in self._artifacts:
            assert self.candidate is not None
            suited = target.deployment.in_supported_format(self.candidate)
            path = self._folder / f"untrained{target.deployment.suffix}"
            with host_lock.working():
                artifact = export(suited, target.deployment.name, path, self._bench.data)
            self._artifacts[target.name] = artifact
        return self._artifacts[target.name]


def _text(measurement: Measurement) -> str:
    """Returns `latency 1.31 ms ± 7 %`."""
    value = format_quantity(measurement.value, measurement)
    return f"{measurement.name} {value} {format_interval(measurement)}".rstrip()
