"""The networks that a device is asked to run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Subject
from paretune.objectives.device_use import DeviceUse
from paretune.objectives.devices.messages import DeviceFacts, DeviceNetwork, DeviceState, GateResult
from paretune.objectives.timing.inputs import validation_batch

if TYPE_CHECKING:
    import numpy as np


def device_of(subject: Subject) -> DeviceUse:
    """Returns the device of a subject that has one."""
    assert subject.device is not None, "only called for a subject with a device"
    return subject.device


def device_network(subject: Subject, batch: int | None = None) -> DeviceNetwork:
    """Returns the artifact of a subject as the device loads it.

    Args:
        subject: The subject.
        batch: Examples in one of its timed runs; None for outputs of inputs that come later.

    Raises:
        Unmeasurable: There are no inputs.
    """
    inputs = () if batch is None else validation_batch(subject.data, batch)
    return network_of(subject, subject.artifact.path, inputs, subject.artifact.sha256)


def network_of(
    subject: Subject, path: Path, inputs: Sequence[np.ndarray], sha256: str = ""
) -> DeviceNetwork:
    """Returns another file, under the runtime and options of a subject."""
    options = subject.options.model_dump()
    return DeviceNetwork(subject.runtime.name, options, path, sha256, tuple(inputs))


def place_of(facts: DeviceFacts) -> dict[str, Any]:
    """Returns the conditions that name a device."""
    return {
        "host": facts.model,
        "cpu": facts.cpu,
        "address": facts.address,
        "identity": facts.identity,
    }


def versions_of(facts: DeviceFacts, runtime: str) -> dict[str, Any]:
    """Returns the conditions that name what runs on a device."""
    return {
        "machine": facts.machine,
        "cores": facts.cores,
        "system": facts.system,
        "runtime_version": facts.runtimes.get(runtime),
    }


def state_of(gate: GateResult, before: DeviceState, after: DeviceState) -> dict[str, Any]:
    """Returns the conditions of a device during a session: temperature, clocks, throttling."""
    clocks = after.mhz or before.mhz
    return {
        "load_average": after.load_average,
        "frequency_mhz": round(sum(clocks) / len(clocks), 1) if clocks else None,
        "governors": list(after.governors),
        "celsius": [before.celsius, after.celsius],
        "waited_to_cool_s": round(gate.waited_s, 1),
        "began_cool": gate.passed,
        "throttled": sorted({*gate.throttled, *before.throttled, *after.throttled}),
    }
