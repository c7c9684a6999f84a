"""Known: what was measured of a network's structure, for all others of that structure.

Two networks of one structure have files of one size and run at one speed, whatever their weights.
So a trained candidate is timed only where no trial of its structure has been timed before it: its
siblings, or another recipe's network, get that trial's figures, which name it. The front is timed
once more at the end of a run, every network by itself (search/running/final_session.py).

To foresee a structure's speed from those timed, and not to time who is beaten whatever it is, would
have saved 2 to 11 of 63 timings of a third of a second under `auto`, whose proposals are seldom
beaten so, and 470 of 690 under random ones (none of them wrongly): not worth its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.search.building.network_structure import key_of, structure_of
from paretune.search.measuring.gauge import TIMING
from paretune.search.measuring.structural_constraints import STRUCTURAL
from paretune.search.study.quantity import Quantity, local_of
from paretune.search.study.records import STRUCTURE_OF
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    import torch

    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.database.structures import Structures
    from paretune.search.measuring.targets import Target
    from paretune.search.study.plan import Plan
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.stage_study import StageStudy


class StructureTimings:
    """What is known of structures in a study.

    Args:
        study: The open study.
        structures: Where it is kept.
    """

    def __init__(self, study: StageStudy, structures: Structures) -> None:
        self._study = study
        self._structures = structures

    def key(self, plan: Plan, structure: str, target: Target, timed: bool) -> str | None:
        """Of a structure in a place; None where the weights decide more than it tells.

        Args:
            plan: The network's.
            structure: Of the float network, as `structure_of` has it.
            target: Where it is deployed.
            timed: Whether for what a clock measures, which holds for this host only.
        """
        host = self._study.host if timed else None
        return key_of(plan, structure, self._study.data.shape, target.deployment, host)

    def of(self, key: str) -> dict[str, Measurement]:
        """Quantity, without its target -> what is known."""
        return self._structures.known(key)

    def note(self, key: str, measured: Mapping[str, Measurement], trial: int | None = None) -> None:
        """Keeps measurements by quantity, without target; of an untrained network without trial."""
        self._structures.note(key, [replace(m, name=n) for n, m in measured.items()], trial)

    def measured(
        self,
        number: int,
        plan: Plan,
        deployed: tuple[Target, Artifact, torch.nn.Module],
        baseline: TrialRecord | None,
        made: Mapping[str, float],
    ) -> list[Measurement]:
        """All that a target measures of a trained candidate; timings as they are known.

        Args:
            number: Of the trial.
            plan: Of the trial.
            deployed: Target, artifact, and the float model behind it.
            baseline: Trial 0; None for itself.
            made: As in Subject.

        Raises:
            Unmeasurable: A quantity cannot be measured.
        """
        target, artifact, model = deployed
        structure = structure_of(model)
        known = self._timings(plan, structure, target) if baseline else {}
        rest = replace(target, gauge=target.gauge.without(local_of(known, target.name)))
        found = self._study.measure(rest, artifact, model, baseline, made)
        self._learn(number, plan, structure, target, found)
        return list((known | {m.name: m for m in found}).values())

    def _timings(self, plan: Plan, structure: str, target: Target) -> dict[str, Measurement]:
        """Quantity -> what another trial of the structure was measured to have, on a calm host."""
        key = self.key(plan, structure, target, timed=True)
        if key is None or not self._study.spec.reuse_timings:
            return {}
        found = {}
        for kept in target.named(list(self.of(key).values())):
            trial = self._study.store.trial(kept.conditions.get("trial") or 0)
            measured = trial.measurements.get(kept.name) if trial and trial.number else None
            if measured is not None and not measured.conditions.get("disturbed_host"):
                assert trial is not None
                said = {**measured.conditions, STRUCTURE_OF: trial.number}
                found[kept.name] = replace(measured, conditions=said)
        return found

    def _learn(
        self, number: int, plan: Plan, structure: str, target: Target, measured: list[Measurement]
    ) -> None:
        """Keeps what was measured of a trained candidate."""
        local = local_of({m.name: m for m in measured}, target.name)
        for clock in (False, True):
            known = {n: m for n, m in local.items() if structural(n) and timed(n) == clock}
            key = self.key(plan, structure, target, clock) if known else None
            if key is not None:
                self.note(key, known, number)


def structural(name: str) -> bool:
    """Whether a quantity follows from the structure."""
    return Quantity.of(name).objective in STRUCTURAL


def timed(name: str) -> bool:
    """Whether a clock measures a quantity."""
    return bool(OBJECTIVES.get(Quantity.of(name).objective).cost == TIMING)
