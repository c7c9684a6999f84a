"""Structure timings: the measurements of one network serve all networks of its structure.

Two networks of one structure have the same file size and speed, whatever their weights. So a
trained candidate is timed only if no trial of its structure was timed before. Any other network of
the structure takes the figures of that trial, and its record names the trial. Examples are a
network of another recipe, and format variants. At the end of a run every network of the front is
timed separately (`running.final_session`).

Two more savings were tried and did not pay: to predict a structure's speed from those timed, and
not to time a network that is dominated at any speed. Under `auto`, few proposals are dominated in
that way: 2 to 11 of 63 timings of a third of a second would have been saved. Under random proposals
470 of 690 would have been saved, none wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.search.building.network_structure import key_of, structure_of
from paretune.search.measuring.structural_constraints import structural, timed
from paretune.search.study.quantity import local_values
from paretune.search.study.records import STRUCTURE_OF
from paretune.search.trial.workbench import Deployed, Workbench

if TYPE_CHECKING:
    from paretune.search.database.structures import Structures
    from paretune.search.measuring.targets import Target
    from paretune.search.study.plan import Plan
    from paretune.search.study.records import TrialRecord


class StructureTimings:
    """The measurements of a study by structure.

    Args:
        workbench: The study's parts.
        structures: Database table that keeps them.
    """

    def __init__(self, workbench: Workbench, structures: Structures) -> None:
        self._bench = workbench
        self._structures = structures

    def key(self, plan: Plan, structure: str, target: Target, timed: bool) -> str | None:
        """Returns the key of a structure on a target; None if the weights decide something, too.

        Args:
            plan: Plan of the network.
            structure: Structure of the float network, from `structure_of`.
            target: Target of the network.
            timed: Key for timed quantities, which hold for this host only.
        """
        host = target.host(self._bench.host) if timed else None
        return key_of(plan, structure, self._bench.data.shape, target.deployment, host)

    def of(self, key: str) -> dict[str, Measurement]:
        """Returns quantity, without its target -> stored measurement."""
        return self._structures.measurements(key)

    def note(
        self, key: str, measurements: Mapping[str, Measurement], trial: int | None = None
    ) -> None:
        """Stores measurements by quantity, without target.

        Args:
            key: Key of the structure.
            measurements: Quantity -> measurement.
            trial: Number of the trained network's trial; None for an untrained network.
        """
        named = [replace(m, name=name) for name, m in measurements.items()]
        self._structures.put(key, named, trial)

    def measure(
        self,
        number: int,
        plan: Plan,
        deployed: Deployed,
        baseline: TrialRecord | None,
        stage_seconds: Mapping[str, float],
    ) -> list[Measurement]:
        """Measures a trained candidate on one target, except what its structure's timings cover.

        Args:
            number: Trial number.
            plan: Plan of the trial.
            deployed: The candidate on the target.
            baseline: Trial 0; None for the baseline itself.
            stage_seconds: As in Subject.

        Raises:
            Unmeasurable: A quantity cannot be measured.
        """
        target, artifact, model = deployed
        structure = structure_of(model)
        timings = self._timings(plan, structure, target) if baseline else {}
        untimed = replace(target, gauge=target.gauge.without(local_values(timings, target.name)))
        measurements = untimed.measure(
            self._bench.subject(untimed, artifact, model, baseline, stage_seconds)
        )
        self._keep(number, plan, structure, target, measurements)
        return list((timings | {m.name: m for m in measurements}).values())

    def _timings(self, plan: Plan, structure: str, target: Target) -> dict[str, Measurement]:
        """Returns quantity -> timing of another trial with this structure, on a calm host."""
        key = self.key(plan, structure, target, timed=True)
        if key is None or not self._bench.spec.reuse_timings:
            return {}
        timings = {}
        for stored in target.named(list(self.of(key).values())):
            trial = self._bench.store.trial(stored.conditions.get("trial") or 0)
            measurement = trial.measurements.get(stored.name) if trial and trial.number else None
            if measurement is not None and not measurement.conditions.get("disturbed_host"):
                assert trial is not None
                conditions = {**measurement.conditions, STRUCTURE_OF: trial.number}
                timings[stored.name] = replace(measurement, conditions=conditions)
        return timings

    def _keep(
        self,
        number: int,
        plan: Plan,
        structure: str,
        target: Target,
        measurements: list[Measurement],
    ) -> None:
        """Stores the structural measurements of a trained candidate."""
        local = local_values({m.name: m for m in measurements}, target.name)
        for clock in (False, True):
            structural_values = {
                n: m for n, m in local.items() if structural(n) and timed(n) == clock
            }
            key = self.key(plan, structure, target, clock) if structural_values else None
            if key is not None:
                self.note(key, structural_values, number)
