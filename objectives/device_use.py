"""The device of a subject: how it is reached, and what is measured there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

T = TypeVar("T")


class DeviceAccess(Protocol):
    """Leads to a device that may be lost for a while; `search/measuring` provides it."""

    @property
    def address(self) -> str:
        """Address of the device."""

    def attempt(self, action: Callable[[Any], T]) -> T:
        """Returns what an action does with the open device (`devices.device.Device`).

        The device's lease is held meanwhile. If the device is lost, the action is repeated when it
        is back, so it must start from nothing.

        Raises:
            Unmeasurable: The network cannot be loaded or run there.
        """


@dataclass(frozen=True)
class DeviceUse:
    """How an artifact is measured on a device.

    Attributes:
        access: Leads to the device.
        sustained: Seconds of load before the sustained latency is taken; None for none.
        scores: "device": scores are taken of the device's outputs. "auto": of this host's, as long
            as the device gives the same for some examples.
    """

    access: DeviceAccess
    sustained: float | None = None
    scores: Literal["auto", "device"] = "auto"
