"""Screening: constraints that an untrained network breaks already, looked at before training.

What a constraint bounds may follow from the structure alone (`building.network_structure`): parameters,
multiply-adds, activations, the file's size, and the speed. A trial that breaks such a bound ends
before anything of it is trained, with how much it breaks it, so that the sampler learns as from any
other. What is known of a structure is kept, of trained candidates too, and a known one is answered
from there. An error of all this is no verdict: the trial goes on as if nobody had looked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from paretune.objectives.base import Measurement
from paretune.search.building.network_structure import outline, structure_of
from paretune.search.building.watch import Watch
from paretune.search.measuring.gauge import values_by_name, violations_of
from paretune.search.measuring.host_lock import host_lock
from paretune.search.measuring.structural_constraints import SCREEN, foreseen
from paretune.search.study.quantity import Quantity, local_of
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study.spec import Constraint, digest
from paretune.search.study.tables import OBJECTIVES
from paretune.search.study.units import format_interval, format_value
from paretune.search.trial.structure_timings import StructureTimings, timed
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.measuring.targets import Target
    from paretune.search.study.plan import Plan
    from paretune.search.trial.stage_study import StageStudy
    from paretune.spaces.base import Candidate

SECONDS = 0.5
"""The most that a timing takes here."""

PRECISION = 0.05
"""Wanted half width of a timing's interval, relative."""

MARGIN = {"size": 0.01, "latency": 0.02, "throughput": 0.02}
"""By what share a trained network may differ from an untrained one, beyond the interval."""

_log = logging.getLogger(__name__)


class ScreenedOut(Exception):
    """A trial ends before its training; `result` says why."""

    def __init__(self, result: Result) -> None:
        super().__init__((result.reason or {}).get("text"))
        self.result = result


class Screening:
    """Looks at the untrained networks of a study's plans.

    Args:
        study: The open study.
        known: What is known of structures.
    """

    def __init__(self, study: StageStudy, known: StructureTimings) -> None:
        self._study = study
        self._structures = known
        self._constraints = foreseen(study.spec)
        self._outlined: dict[str, str | None] = {}

    def look(self, plan: Plan, baseline: TrialRecord | None, watch: Watch) -> None:
        """Returns for a plan that may hold all constraints, and for one that is trained already.

        Raises:
            ScreenedOut: It breaks one, whatever its training may give.
            StageError: There is no such network, or a technique cannot be applied to it.
        """
        if not self._constraints or baseline is None or self._study.trained(plan):
            return
        with watch.stage(SCREEN), TemporaryDirectory(prefix="paretune-") as folder:
            try:
                found = self._found(_Untrained(self._study, plan, Path(folder)), baseline)
            except InfeasibleCandidate:
                raise
            except Exception as error:  # whatever runtimes raise; the trial itself will tell
                _log.info("not screened: %s: %s", type(error).__name__, error)
                return
        against = baseline.measurements
        broken = [c for c in self._constraints if self._breaks(c, found, against)]
        if broken:
            text = "; ".join(f"{_text(found[c.quantity])} breaks {c.text}" for c in broken)
            reason = {"stage": SCREEN, "type": "Constraint", "text": f"{text}: not trained"}
            violations = violations_of(
                [c for c in self._constraints if c.quantity in found],
                values_by_name(found),
                values_by_name(against),
            )
            raise ScreenedOut(Result("infeasible", {}, violations, tuple(found.values()), reason))

    # -- what is known ---------------------------------------------------------------------------

    def _found(self, network: _Untrained, baseline: TrialRecord) -> dict[str, Measurement]:
        """Quantity -> its measurement, cheap ones first, until a constraint is broken."""
        structure = self._structure_of(network)
        found: dict[str, Measurement] = {}
        if structure is None:
            return found
        for target, name in self._wanted():
            found |= self._known(network, structure, target, name, baseline)
            if any(self._breaks(c, found, baseline.measurements) for c in self._constraints):
                break
        return found

    def _wanted(self) -> list[tuple[Target, str]]:
        """What is to be known where, cheap ones first; what the model decides, of the first."""
        bounded = [Quantity.of(constraint.quantity) for constraint in self._constraints]
        first = self._study.targets[0].name
        wanted = {
            (target.name, quantity.objective): target
            for target in self._study.targets
            for quantity in bounded
            if target.name in (quantity.target, None if quantity.target else first)
        }
        pairs = [(target, name) for (_, name), target in wanted.items()]
        return sorted(pairs, key=lambda pair: OBJECTIVES.get(pair[1]).cost)

    def _known(
        self, network: _Untrained, structure: str, target: Target, name: str, baseline: TrialRecord
    ) -> dict[str, Measurement]:
        """An objective's values by quantity, from what is kept, or measured and kept."""
        key = self._structures.key(network.plan, structure, target, timed(name))
        if key is None:
            return {}
        wanted = {Quantity.of(c.quantity).local for c in self._constraints}
        kept = {
            local: found
            for local, found in self._structures.of(key).items()
            if Quantity.of(local).objective == name
        }
        if not {n for n in wanted if Quantity.of(n).objective == name} <= kept.keys():
            measured = network.measured(target, name, baseline)
            kept = local_of(measured, target.name)
            self._structures.note(key, kept)
        return {m.name: m for m in target.named(list(kept.values()))}

    def _structure_of(self, network: _Untrained) -> str | None:
        """Its network's structure; None where the weights decide some of it."""
        parts = [s.params for s in network.plan.stages if s.kind in ("prune", "quantize")]
        key = digest([network.plan.stages[0].params["architecture"], parts])
        if key not in self._outlined:
            made = network.candidate
            self._outlined[key] = None if made is None else structure_of(made.model)
        return self._outlined[key]

    @staticmethod
    def _breaks(
        constraint: Constraint,
        found: Mapping[str, Measurement],
        against: Mapping[str, Measurement],
    ) -> bool:
        """Whether a bound is broken at the better end of what is known, and a little beyond."""
        measured = found.get(constraint.quantity)
        if measured is None:
            return False
        margin = MARGIN.get(Quantity.of(constraint.quantity).objective, 0.0)
        best = measured.low * (1 - margin) if constraint.upper else measured.high * (1 + margin)
        return constraint.violation(best, against[constraint.quantity].value) > 0


class _Untrained:
    """A plan's network without training: made, deployed and measured where that is asked for.

    Args:
        study: The open study.
        plan: Of the trial.
        folder: For its files.
    """

    def __init__(self, study: StageStudy, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._study = study
        self._folder = folder
        self._artifacts: dict[str | None, Artifact] = {}

    @cached_property
    def candidate(self) -> Candidate | None:
        """The network; None where its structure depends on the weights."""
        with host_lock.working():
            return outline(self.plan, self._study.data)

    def measured(self, target: Target, name: str, baseline: TrialRecord) -> dict[str, Measurement]:
        """One objective's values by quantity, of the network deployed to a target."""
        assert self.candidate is not None, "then nothing is asked for"
        options = shortened(name, dict(target.gauge.quantities)[name])
        only = replace(target, gauge=replace(target.gauge, quantities=((name, options),)))
        artifact = self._artifact(target) if OBJECTIVES.get(name).cost else cast(Any, None)
        found = self._study.measure(only, artifact, self.candidate.model, baseline)
        return {m.name: replace(m, conditions={**m.conditions, "untrained": True}) for m in found}

    def _artifact(self, target: Target) -> Artifact:
        from paretune.search.building.pipeline import export

        if target.name not in self._artifacts:
            assert self.candidate is not None
            suited = target.deployment.unmarked(self.candidate)
            path = self._folder / f"untrained{target.deployment.suffix}"
            with host_lock.working():
                made = export(suited, target.deployment.name, path, self._study.data)
            self._artifacts[target.name] = made
        return self._artifacts[target.name]


def shortened(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a measurement that shall be quick: whoever is near a bound is trained."""
    full: dict[str, Any] = OBJECTIVES.get(name).Params.model_validate(dict(options)).model_dump()
    quick = {
        "seconds": min(SECONDS, full.get("seconds", SECONDS)),
        "precision": max(PRECISION, full.get("precision", PRECISION)),
        "spread": 0.0,
    }
    return {key: quick.get(key, value) for key, value in full.items()}


def _text(measured: Measurement) -> str:
    """`latency 1.31 ms ± 7 %`."""
    value, interval = format_value(measured.value, measured.unit), format_interval(measured)
    return f"{measured.name} {value} {interval}".rstrip()
