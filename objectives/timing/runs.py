"""Runs an artifact and times it."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paretune.objectives.timing.blocks import NetworkBlocks, TimedBlock
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.estimates import quantile

VISIT_SECONDS = 0.006
"""Length of a visit: long compared with the warming of caches, short compared with the drift of the
machine. Visits of 12 ms repeat no better than as many visits of 6 ms (six small networks, a dozen
sessions, with and without noise: 0.2 to 0.3 % off their median), and take 1.5 times as long."""

WARM_SECONDS = 0.2
"""Longest warm-up in seconds, unless five runs take longer."""

WARM_SHARE = 1 / 8
"""Shortest warm-up, as a share of the longest."""


class TimedRuns(NetworkBlocks):
    """Runs of one artifact on one batch of inputs.

    Args:
        load: Returns a session, which runs when it is called with the inputs. A session with a
            method `timed(*inputs)` runs in that instead, and returns the milliseconds by its own
            clock, such as a GPU's events.
        inputs: An array for each input of the network.
        probe: Detects whether the processor core is shared.

    The processor clock of this thread does not measure the work if a runtime works in its own
    threads or on another device.
    """

    def __init__(
        self, load: Callable[[], Callable[..., Any]], inputs: Sequence[Any], probe: ContentionProbe
    ) -> None:
        super().__init__(probe)
        self._probe = probe
        self._load = load
        self._inputs = inputs
        self._session: Any = None
        self.reload()

    def reload(self) -> None:
        """Loads the artifact again.

        Its location in memory affects the time; loading it often averages this out.
        """
        self._session = None  # frees the old session before the new one is loaded
        self._session = self._load()
        self._timer: Callable[..., float] | None = getattr(self._session, "timed", None)

    def warm_up(self, seconds: float = WARM_SECONDS) -> int:
        """Runs until the time of a run is stable; returns the number of runs."""
        begun = time.perf_counter()
        recent: list[tuple[float, float]] = []
        while time.perf_counter() - begun < seconds or len(recent) < 5:
            recent.append(self._time_run())
            spent = time.perf_counter() - begun
            if (
                len(recent) >= 20
                and spent > WARM_SHARE * seconds
                and _is_stable([wall for wall, _ in recent])
            ):
                break
        # A low quantile, because on a busy machine most runs may be interrupted.
        time_ratio = quantile([wall / max(cpu, 1e-6) for wall, cpu in recent], 0.1)
        self.has_cpu_clock = self._timer is None and time_ratio < 1.1
        return len(recent)

    def begin_block(self) -> None:
        """Starts a new block."""
        self.blocks.append(TimedBlock())

    def visit(self, seconds: float = VISIT_SECONDS) -> None:
        """Makes one or more runs, one after the other.

        Before them it makes a run that does not count, because the caches hold the data of another
        network.
        """
        begun = time.perf_counter()
        self._session(*self._inputs)
        block, before = self.blocks[-1], self._probe()
        until = max(begun, time.perf_counter() - seconds) + seconds
        while True:
            wall, cpu = self._time_run()
            after = self._probe()
            block.wall.append(wall)
            block.cpu.append(cpu)
            # A session with its own clock, such as a GPU's, does not depend on the processor core.
            block.probe.append(0.0 if self._timer else max(before, after))
            before = after
            if time.perf_counter() >= until:
                break
        self.visits += 1

    def _time_run(self) -> tuple[float, float]:
        """Runs once; returns milliseconds by the wall clock and by the thread's processor clock."""
        if self._timer:
            ms = self._timer(*self._inputs)
            return ms, ms
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        self._session(*self._inputs)
        cpu_end, wall_end = time.thread_time_ns(), time.perf_counter_ns()
        return (wall_end - wall) / 1e6, (cpu_end - cpu) / 1e6


def _is_stable(recent: list[float]) -> bool:
    """Returns whether the last ten runs are as fast as the ten before them, within 5 %."""
    before, after = statistics.median(recent[-20:-10]), statistics.median(recent[-10:])
    return abs(after - before) <= 0.05 * before


@contextmanager
def steady(pin: bool) -> Iterator[None]:
    """Turns off garbage collection; with `pin`, keeps this thread on one core."""
    collecting = gc.isenabled()
    cores = os.sched_getaffinity(0) if pin and hasattr(os, "sched_setaffinity") else None
    gc.disable()
    if cores:
        os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        if collecting:
            gc.enable()
