"""Refuses a device that is not the one that was measured on before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.messages import DeviceFacts

COMPARED = {
    "machine": "architecture",
    "cpu": "processor",
    "identity": "machine id",
}
"""Facts that do not change while a device stays the same, and their names."""


def check_same_device(facts: DeviceFacts, earlier: Mapping[str, Any]) -> None:
    """Refuses a device that differs from the one that an address led to earlier.

    Args:
        facts: The device now.
        earlier: `machine`, `cpu` and `identity` of then; a missing one is not compared.

    Raises:
        DeviceRefused: It is another device: its figures could not be compared.
    """
    for name, words in COMPARED.items():
        then, now = earlier.get(name), getattr(facts, name)
        if then is not None and then != now:
            raise DeviceRefused(
                f"{facts.address} is another device than last time: its {words} is {now}, and was "
                f"{then}; figures of two devices cannot be compared: name this one as another "
                "target, or bring the earlier device back"
            )
