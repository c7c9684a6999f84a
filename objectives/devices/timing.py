"""Networks that are timed in turn on a device, block by block."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.objectives.devices.link import Answer, Link
from paretune.objectives.devices.messages import DeviceState, GateResult
from paretune.objectives.timing import blocks, contention_probe, round_estimates, rounds, runs
from paretune.objectives.timing.blocks import NetworkBlocks, TimedBlock

RULES = {
    "visit_seconds": runs.VISIT_SECONDS,
    "warm_seconds": runs.WARM_SECONDS,
    "warm_share": runs.WARM_SHARE,
    "least_calm": blocks.LEAST_CALM,
    "interrupted": blocks.INTERRUPTED,
    "interrupted_ms": blocks.INTERRUPTED_MS,
    "shared": contention_probe.SHARED,
    "best_quantile": contention_probe.BEST_QUANTILE,
    "first_probes": contention_probe.FIRST_PROBES,
    "least_rounds": rounds.LEAST_ROUNDS,
    "patience": round_estimates.PATIENCE,
}
"""The host's rules of timing, which the runner obeys."""


@dataclass
class DeviceProbe:
    """The device's contention probe.

    Attributes:
        best_ms: Milliseconds of the probe on a core that is not shared.
    """

    best_ms: float


class DeviceRuns(NetworkBlocks):
    """Runs of one network on a device, with the statistics that the host's runs have.

    Attributes:
        warm_up_runs: Runs of the warm-up.
        load_seconds: Seconds of the last loading.
    """

    def __init__(self, probe: DeviceProbe, answer: Mapping[str, Any]) -> None:
        super().__init__(probe)
        self.has_cpu_clock = bool(answer["cpu_clock"])
        self.warm_up_runs = int(answer["warm_up_runs"])
        self.load_seconds = float(answer["load_seconds"])


class DeviceTiming:
    """A session on a device; `Device.timing` makes it. The host says when it ends.

    Attributes:
        probe: The device's contention probe.
        networks: Runs of each network, in the order of the request.
        gate: How the wait for a cool device ended.
        before: Condition of the device after the gate and the warm-up.
        after: Condition of the device after the last block.
        states: Condition of the device after each block.
        denormals: "flushed", or "kept" if the runtime cannot flush them.
    """

    def __init__(self, link: Link, opened: Answer) -> None:
        self._link = link
        self.probe = DeviceProbe(opened["best_ms"])
        self.networks: Sequence[DeviceRuns] = [
            DeviceRuns(self.probe, each) for each in opened["networks"]
        ]
        self.gate = gate_of(opened["gate"])
        self.before = self.after = state_of(opened["state"])
        self.states: list[DeviceState] = []
        self.denormals = "kept" if "kept" in opened["denormals"] else "flushed"

    def block(self, seconds: float, reload: bool = False) -> float:
        """Adds a block of rounds; returns the seconds that it took, loading included.

        Networks that lack undisturbed runs are visited again for up to PATIENCE times as
        long, as on the host. A block in which clocks were reduced is not calm.

        Args:
            seconds: Length of the block.
            reload: Load each network again before.

        Raises:
            DeviceLost: The link or the runner ended.
        """
        answer = self._link.ask("time_block", {"seconds": seconds, "reload": reload})
        self.after = state_of(answer["state"])
        self.states.append(self.after)
        self.probe.best_ms = answer["best_ms"]
        figures = array("d", answer.data)
        if answer["order"] != sys.byteorder:
            figures.byteswap()
        start = 0
        for index, network in enumerate(self.networks):
            count = answer["runs"][index]
            network.blocks.append(_block(figures, start, count, bool(self.after.throttled)))
            network.visits = answer["visits"][index]
            network.load_seconds = answer["load_seconds"][index]
            start += 3 * count
        return float(answer["seconds"])


def _block(figures: array[float], start: int, count: int, throttled: bool) -> TimedBlock:
    block = TimedBlock()
    for number, kind in enumerate((block.wall, block.cpu, block.probe)):
        kind.extend(figures[start + number * count : start + (number + 1) * count])
    block.throttled = throttled
    return block


def state_of(answer: Mapping[str, Any]) -> DeviceState:
    """Returns the condition of a device from the runner's JSON."""
    return DeviceState(
        answer["celsius"],
        tuple(answer["mhz"]),
        tuple(answer["governors"]),
        tuple(answer["throttled"]),
        answer["load_average"],
    )


def gate_of(answer: Mapping[str, Any]) -> GateResult:
    """Returns how a wait for a cool device ended, from the runner's JSON."""
    return GateResult(**{**answer, "throttled": tuple(answer["throttled"])})
