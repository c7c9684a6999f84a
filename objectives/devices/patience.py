"""How long the host and the runner wait for each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Times in seconds. They are by a clock that does not jump.

    Attributes:
        connect_s: Until a device has to answer at the start.
        silence_s: Without a byte from the runner, after which the device is lost. The runner gives
            a sign of life every 2 s, and every 10 s while it times.
        runner_silence_s: Without a byte from the host, after which the runner ends. So a stalled
            link does not keep the device's lease.
        ping_s: Between two signs of life from the host.
    """

    connect_s: float = 30.0
    silence_s: float = 60.0
    runner_silence_s: float = 120.0
    ping_s: float = 10.0
