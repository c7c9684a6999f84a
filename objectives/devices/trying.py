"""Tries devices: can they be reached, and can they measure?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from paretune.objectives.devices.device import Device, open_device
from paretune.objectives.devices.errors import DeviceLost, DeviceRefused
from paretune.objectives.devices.messages import DeviceFacts
from paretune.objectives.devices.remembered import remember_device
from paretune.objectives.devices.runner import environment_text
from paretune.objectives.devices.runtimes import check_on_device, check_threads
from paretune.objectives.devices.same_device import check_same_device

Verdict = Literal["ready", "lost", "refused"]


@dataclass(frozen=True)
class TriedDevice:
    """How a try of a device ended.

    Attributes:
        address: Address of the device.
        verdict: "ready", "lost" (it may come back) or "refused" (a person must change something).
        facts: What it is; None if it was not reached.
        problems: What is wrong and what to type.
        runtimes: Runtime that was tried -> its version.
        note: What differs from the last try of this address; None if nothing does.
    """

    address: str
    verdict: Verdict
    facts: DeviceFacts | None
    problems: tuple[str, ...] = ()
    runtimes: tuple[tuple[str, str], ...] = ()
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return {
            **asdict(self),
            "problems": list(self.problems),
            "runtimes": dict(self.runtimes),
        }


def try_device(address: str, runtimes: Mapping[str, int]) -> TriedDevice:
    """Connects to a device, and imports NumPy and the named runtimes there.

    Args:
        address: Address of the device.
        runtimes: Runtime that must work there -> threads of one inference, 0 for all cores;
            without any, those that are installed.
    """
    try:
        for runtime in runtimes:
            check_on_device(runtime)
        with open_device(address) as device:
            return _tried(device, runtimes or dict.fromkeys(device.facts.runtimes, 0))
    except DeviceLost as error:
        return TriedDevice(address, "lost", None, (str(error),))
    except DeviceRefused as error:
        return TriedDevice(address, "refused", None, (str(error),))


def _tried(device: Device, runtimes: Mapping[str, int]) -> TriedDevice:
    problems: list[str] = []
    versions: list[tuple[str, str]] = []
    for runtime, threads in runtimes.items():
        try:
            check_threads(device.address, device.facts.cores, runtime, threads)
            versions.append((runtime, device.check_runtime(runtime)))
        except DeviceRefused as error:
            problems.append(str(error))
    if not runtimes:
        problems.append(
            f"the device {device.address} is refused: it has no runtime; install one there, such "
            f"as: {environment_text('python3', 'numpy onnxruntime')}"
        )
    note = None
    try:
        check_same_device(device.facts, remember_device(device.facts) or {})
    except DeviceRefused as error:
        note = str(error)
    verdict: Verdict = "refused" if problems else "ready"
    return TriedDevice(
        device.address, verdict, device.facts, tuple(problems), tuple(versions), note
    )
