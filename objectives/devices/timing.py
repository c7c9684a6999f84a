"""Networks that are timed in turn on a device, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from paretune.objectives.devices.messages import DeviceState, GateResult
from paretune.objectives.timing.runs import TimedBlock


@dataclass
class DeviceRuns:
    """Runs of one network on a device; the fields of `TimedRuns` that the estimates need.

    Attributes:
        blocks: The runs of each block, in order of time.
        visits: Number of visits.
        has_cpu_clock: Whether the processor clock measures the work.
        warm_up_runs: Runs of the warm-up.
        load_seconds: Seconds of the last loading.
    """

    blocks: list[TimedBlock] = field(default_factory=list)
    visits: int = 0
    has_cpu_clock: bool = True
    warm_up_runs: int = 0
    load_seconds: float = 0.0


class DeviceTiming:
    """A session on a device; `Device.timing` makes it. The host says when it ends.

    Attributes:
        networks: Runs of each network, in the order of the request.
        gate: How the wait for a cool device ended.
        before: Condition of the device after the gate.
        after: Condition of the device after the last block.
        probe_best_ms: Milliseconds of the contention probe on a core that is not shared.
        throttled_blocks: Whether clocks were reduced during each block. Such a block is not calm.
        denormals: "flushed", or "kept" if the runtime cannot flush them.
    """

    networks: Sequence[DeviceRuns]
    gate: GateResult
    before: DeviceState
    after: DeviceState
    probe_best_ms: float
    throttled_blocks: list[bool]
    denormals: str

    def block(self, seconds: float, reload: bool = False) -> float:
        """Adds a block of rounds; returns the seconds that it took, loading included.

        Networks that lack undisturbed runs are visited again for up to `rounds.PATIENCE` times as
        long, as on the host.

        Args:
            seconds: Length of the block.
            reload: Load each network again before, except those that load slowly.
        """
        raise NotImplementedError
