"""Checks the devices of the targets: each answers, is the one of before, and has the runtime."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.errors import UserError
from paretune.search.measuring.study_device import StudyDevice
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.study.spec import Selection, StudySpec


def check_devices(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each target with a device."""
    spec = rehearsal.spec
    for target, use in rehearsal.devices.items():
        assert isinstance(use.access, StudyDevice)
        runtime = spec.targets[target] if target else spec.runtime
        item = target or use.access.address
        try:
            yield Finding(item, "ok", _facts(use.access, runtime, _counters_wanted(spec, target)))
        except UserError as error:
            rehearsal.refused_devices.add(target)
            yield Finding(item, "mistake", str(error), _key(target))


def _facts(device: StudyDevice, runtime: Selection, counters: bool) -> str:
    """Returns what a device is.

    Raises:
        UserError: It is lost or refused, or lacks something.
    """
    version = device.check_runtime(runtime.name, runtime.params["threads"])
    facts = device.facts()
    if counters and not facts.counters:
        raise UserError(
            f"energy cannot be measured on {device.address}: {facts.no_counters}; leave energy out "
            "for this target"
        )
    return f"{facts.model}, {facts.cpu}, {facts.cores} cores; {runtime.name} {version}"


def _counters_wanted(spec: StudySpec, target: str | None) -> bool:
    bounds = (*spec.constraints, *spec.goals)
    named = {*(o.name for o in spec.objectives), *(c.quantity for c in bounds)}
    return ("energy" if target is None else f"energy@{target}") in named


def _key(target: str | None) -> tuple[str, ...]:
    return ("runtime", "device") if target is None else ("targets", target, "device")
