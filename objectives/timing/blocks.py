"""Runs of one network in blocks, and which of them were disturbed.

Two causes disturb a run:

- Another process interrupted it. Then it took more wall time than processor time of its thread.
- It shared its processor core with a neighbour. Then the probe just before or just after it was
  slow (see `contention_probe`).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

from paretune.objectives.timing.contention_probe import SHARED

LEAST_CALM = 5
"""Undisturbed runs that a network needs in a calm block."""

INTERRUPTED = 1.05
"""A run counts as interrupted if wall time > INTERRUPTED * processor time + INTERRUPTED_MS."""

INTERRUPTED_MS = 0.003
"""Milliseconds that reading the clocks takes."""


class TimedBlock:
    """Runs of one network in one block.

    Attributes:
        wall: Milliseconds of each run by the wall clock.
        cpu: Milliseconds of each run by the processor clock of this thread.
        probe: Milliseconds of the slower of the two probes around each run.
        throttled: Whether clocks were reduced, as far as a device tells. Such a block is not calm.
    """

    def __init__(self) -> None:
        self.wall, self.cpu, self.probe = array("d"), array("d"), array("d")
        self.throttled = False

    def undisturbed(self, has_cpu_clock: bool, best_ms: float) -> list[float]:
        """Returns the wall milliseconds of the undisturbed runs.

        Args:
            has_cpu_clock: Whether the processor clock measures the work.
            best_ms: Milliseconds of the probe on a core that is not shared.
        """
        limit = SHARED * best_ms
        return [
            wall
            for wall, cpu, probe in zip(self.wall, self.cpu, self.probe, strict=True)
            if probe <= limit and (not has_cpu_clock or wall <= INTERRUPTED * cpu + INTERRUPTED_MS)
        ]

    def least_disturbed(self, has_cpu_clock: bool) -> list[float]:
        """Returns the milliseconds of the tenth of runs with the fastest probes, at least 5 runs.

        For blocks without undisturbed runs. The time is by the processor clock if it measures the
        work, because that clock stops during interruptions.
        """
        clock = self.cpu if has_cpu_clock else self.wall
        by_probe = sorted(zip(self.probe, clock, strict=True))
        return [ms for _, ms in by_probe[: max(LEAST_CALM, len(by_probe) // 10)]]


class BestProbe(Protocol):
    """A probe of the processor, by its best time.

    Attributes:
        best_ms: Milliseconds of the probe on a core that is not shared.
    """

    best_ms: float


class NetworkBlocks:
    """Runs of one network, of this host or of a device.

    Args:
        probe: The probe that its runs are judged by.

    Attributes:
        probe: As above.
        blocks: The runs of each block, in order of time.
        visits: Number of visits.
        has_cpu_clock: Whether the processor clock of the thread measures the work.
    """

    def __init__(self, probe: BestProbe) -> None:
        self.probe = probe
        self.blocks: list[TimedBlock] = []
        self.visits = 0
        self.has_cpu_clock = True

    def counted_ms(self, blocks: Sequence[int]) -> list[list[float]]:
        """Returns the milliseconds that count in each of these blocks; never an empty list.

        The undisturbed runs count. If a block has none, its least disturbed runs count.
        """
        counted = []
        for index in blocks:
            block = self.blocks[index]
            undisturbed = block.undisturbed(self.has_cpu_clock, self.probe.best_ms)
            counted.append(undisturbed or block.least_disturbed(self.has_cpu_clock))
        return counted

    def is_calm(self, index: int) -> bool:
        """Returns whether a block has enough undisturbed runs: five, or all if it has fewer."""
        block = self.blocks[index]
        if block.throttled:
            return False
        undisturbed = block.undisturbed(self.has_cpu_clock, self.probe.best_ms)
        return len(undisturbed) >= min(LEAST_CALM, len(block.wall))

    def disturbed_share(self) -> float:
        """Returns the share of disturbed runs, over all blocks."""
        undisturbed = sum(
            len(block.undisturbed(self.has_cpu_clock, self.probe.best_ms)) for block in self.blocks
        )
        return 1 - undisturbed / sum(len(block.wall) for block in self.blocks)
