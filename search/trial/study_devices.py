"""The devices of a study's targets, and whether they are those of its earlier trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paretune.objectives.device_use import DeviceUse
from paretune.search.errors import UserError
from paretune.search.measuring.study_device import StudyDevice

if TYPE_CHECKING:
    from paretune.objectives.devices.messages import DeviceFacts
    from paretune.search.database.devices import Devices
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.control import Control

KEPT = ("machine", "cpu", "identity", "cores", "model", "system", "memory_bytes", "address")
"""Facts that a study keeps of a device."""


def devices_of(
    spec: StudySpec, kept: Devices | None = None, control: Control | None = None
) -> dict[str | None, DeviceUse]:
    """Returns target -> its device, of the targets that have one. None is connected to yet.

    Args:
        spec: The study.
        kept: The devices of its database; None to compare with none.
        control: What the user asks of this worker, who then waits for a lost device. None: a lost
            device is refused.
    """
    uses: dict[str | None, DeviceUse] = {}
    for target, device in spec.devices.items():
        accept = _refuse_other(target, kept)
        access = StudyDevice(device.address, f"study {spec.name}", accept, control is not None)
        if control is not None:
            access.notify = _notify(control)
            access.look = control.between_stages
            access.show_wait = _show_wait(control)
        uses[target] = DeviceUse(access, device.sustained, device.scores)
    return uses


def close_devices(uses: Mapping[str | None, DeviceUse]) -> None:
    """Closes the connections."""
    for use in uses.values():
        if isinstance(use.access, StudyDevice):
            use.access.close()


def _notify(control: Control) -> Callable[[str], None]:
    return lambda text: control.notify(text)


def _show_wait(control: Control) -> Callable[[str | None], None]:
    return lambda text: control.await_device(text)


def _refuse_other(target: str | None, kept: Devices | None) -> Callable[[DeviceFacts], None]:
    """Returns what refuses a device that is not the one of the earlier trials."""

    def accept(facts: DeviceFacts) -> None:
        from paretune.objectives.devices.same_device import check_same_device

        if kept is None:
            return
        earlier = kept.of(target) or kept.note(target, facts_of(facts))
        check_same_device(facts, earlier)
        if earlier.get("cores") not in (None, facts.cores):
            raise UserError(
                f"{facts.address}: this study may use {facts.cores} of the device's cores, and "
                f"{earlier['cores']} when its earlier trials were measured; their times cannot be "
                "compared: give it the same cores, such as by ?cpus=0-3 in the address"
            )

    return accept


def facts_of(facts: DeviceFacts) -> dict[str, Any]:
    """Returns what a study keeps of a device, as JSON."""
    return {name: value for name, value in asdict(facts).items() if name in KEPT}
