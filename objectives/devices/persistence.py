"""Repeats work on a device that is lost in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from paretune.objectives.devices.device import Device, open_device
from paretune.objectives.devices.errors import DeviceLost, RunnerDied
from paretune.objectives.errors import Unmeasurable

T = TypeVar("T")

DEATHS = 2
"""Times that the runner may end during the same work. After that the network is to blame."""

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Wait before a new attempt; it doubles up to the longest."""


def persist(
    address: str,
    work: Callable[[Device], T],
    on_lost: Callable[[DeviceLost], object],
    sleep: Callable[[float], object] = time.sleep,
    connect: Callable[[str], Device] = open_device,
) -> T:
    """Opens a device, does some work there, and begins again each time the device is lost.

    Args:
        address: Address of the device.
        work: The work; it may be done several times, so it must begin anew.
        on_lost: Called each time the device is lost. It may raise an exception to give up, such as
            to ask the user after some time.
        sleep: Waits for some seconds before the next attempt.
        connect: Opens the device.

    Raises:
        Unmeasurable: The runner ended `DEATHS` times during the work, while the link stayed: the
            network needs too much memory there, or crashes the runtime.
        DeviceRefused: The device cannot be used as it is.
    """
    deaths, wait = 0, FIRST_WAIT_S
    while True:
        try:
            with connect(address) as device:
                wait = FIRST_WAIT_S
                return work(device)
        except RunnerDied as error:
            deaths += 1
            if deaths >= DEATHS:
                raise Unmeasurable(f"{error} ({deaths} times at the same work)") from error
            on_lost(error)
        except DeviceLost as error:
            on_lost(error)
        sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT_S)
