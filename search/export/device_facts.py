"""The device that an exported file was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.search.measuring.targets import Target
    from paretune.search.trial.workbench import Workbench

SHOWN = ("address", "model", "cpu", "machine", "cores", "system", "memory_bytes", "identity")
"""Facts in a manifest."""


def device_json(workbench: Workbench, target: Target) -> dict[str, Any] | None:
    """Returns the device of a target; None if it was measured on a host."""
    if target.device is None:
        return None
    from paretune.search.database.devices import Devices  # an export is verified without a database

    facts = {"address": target.device.access.address}
    facts |= Devices(workbench.store.engine).of(target.name)
    return {name: facts[name] for name in SHOWN if name in facts}


def device_text(device: Mapping[str, Any]) -> str:
    """Returns a device in words: its address, its name and its processor."""
    names = [str(device[name]) for name in ("model", "cpu") if device.get(name)]
    return f"the device {device['address']}" + (f" ({', '.join(names)})" if names else "")
