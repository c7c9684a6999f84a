"""Timed runs of one artifact, in blocks; those in which it did not have the processor are told.

A run that had the processor for itself takes as much time by the clock on the wall as by the
processor's own clock of this thread: one that was interrupted takes longer by the first. One that
shared the processor with a neighbour is told by the probes before and after it (see `probe`).
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paretune.objectives.timing.contention_probe import CALM, ContentionProbe
from paretune.objectives.timing.estimates import quantile

VISIT_SECONDS = 0.006
"""A visit is long against the caches' warming and short against the machine's drift. Six small
networks repeat as well by as many visits half as long as by those of 12 ms (0.2 to 0.3 % off the
median of a dozen sessions, beside noise or not), in two thirds of the time."""

LEAST_CALM = 5
"""Runs that had the processor, of a block that counts as calm."""

WARM_SECONDS = 0.2
"""That a network may take to settle..."""

WARM_SHARE = 1 / 8
"""...and the share of it that it takes at least."""

TOLERATED = 1.05
"""Wall time over processor time of a run that counts as undisturbed..."""

TOLERATED_MS = 0.003
"""...and so many milliseconds more: what reading the clocks takes."""


class TimedBlock:
    """Runs of one session, in visits spread over a while.

    Attributes:
        wall: Milliseconds of each run on the wall...
        cpu: ...by the processor's clock of this thread...
        probe: ...and of the slower one of the probes around it.
    """

    def __init__(self) -> None:
        self.wall, self.cpu, self.probe = array("d"), array("d"), array("d")

    def undisturbed(self, clocked: bool, best_ms: float) -> list[float]:
        """Milliseconds of the runs that had the processor for themselves.

        Args:
            clocked: Whether the processor's clock sees the work.
            best_ms: Of the probe, where nobody shares the processor.
        """
        limit = CALM * best_ms
        return [
            wall
            for wall, cpu, probe in zip(self.wall, self.cpu, self.probe, strict=True)
            if probe <= limit and (not clocked or wall <= TOLERATED * cpu + TOLERATED_MS)
        ]

    def next_best(self, clocked: bool) -> list[float]:
        """Where no run was undisturbed: those of the quickest probes, by the processor's clock."""
        clock = self.cpu if clocked else self.wall
        by_probe = sorted(zip(self.probe, clock, strict=True))
        return [ms for _, ms in by_probe[: max(LEAST_CALM, len(by_probe) // 10)]]


class TimedRuns:
    """Runs of one artifact on one input.

    Args:
        load: Gives a session: called with the input, it runs. Where it has `timed(inputs)`, that
            runs and gives the milliseconds by a clock of its own, such as a GPU's events.
        inputs: The input.
        probe: Tells whether the processor is shared.

    Attributes:
        blocks: Of the runs, in order of time.
        clocked: Whether the processor's clock of this thread sees the work; it does not where a
            runtime works in threads of its own or on another device.
    """

    def __init__(
        self, load: Callable[[], Callable[[Any], Any]], inputs: Any, probe: ContentionProbe
    ) -> None:
        self._load = load
        self._inputs = inputs
        self._session: Any = None
        self._probe = probe
        self.blocks: list[TimedBlock] = []
        self.visits = 0
        self.clocked = True
        self.renew()

    def renew(self) -> None:
        """Loads the artifact anew: where its memory lies matters, and should average out."""
        self._session = None  # so that there are never two
        self._session = self._load()
        self._timer: Callable[[Any], float] | None = getattr(self._session, "timed", None)

    def warm_up(self, seconds: float = WARM_SECONDS) -> int:
        """Runs until the time of a run has settled; gives the number of runs."""
        begun = time.perf_counter()
        recent: list[tuple[float, float]] = []
        while time.perf_counter() - begun < seconds or len(recent) < 5:
            recent.append(self._timed())
            spent = time.perf_counter() - begun
            if (
                len(recent) >= 20
                and spent > WARM_SHARE * seconds
                and _settled([w for w, _ in recent])
            ):
                break
        # Of the least interrupted ones: on a busy machine most may be.
        least = quantile([wall / max(cpu, 1e-6) for wall, cpu in recent], 0.1)
        self.clocked = self._timer is None and least < 1.1
        return len(recent)

    def begin(self) -> None:
        """Begins a block."""
        self.blocks.append(TimedBlock())

    def visit(self, seconds: float = VISIT_SECONDS) -> None:
        """Some runs in a row; the first one, on another network's caches, does not count."""
        begun = time.perf_counter()
        self._session(self._inputs)
        block, before = self.blocks[-1], self._probe()
        until = max(begun, time.perf_counter() - seconds) + seconds
        while True:
            wall, cpu = self._timed()
            after = self._probe()
            block.wall.append(wall)
            block.cpu.append(cpu)
            # A GPU does not care who shares the processor.
            block.probe.append(0.0 if self._timer else max(before, after))
            before = after
            if time.perf_counter() >= until:
                break
        self.visits += 1

    def counted(self, blocks: Sequence[int]) -> list[list[float]]:
        """Of each of these blocks the milliseconds that count, never none."""
        found = []
        for place in blocks:
            block = self.blocks[place]
            good = block.undisturbed(self.clocked, self._probe.best_ms)
            found.append(good if len(good) >= LEAST_CALM else good or block.next_best(self.clocked))
        return found

    def calm(self, place: int) -> bool:
        """Whether enough runs of a block had the processor, or had no need of it."""
        block = self.blocks[place]
        good = len(block.undisturbed(self.clocked, self._probe.best_ms))
        return good >= min(LEAST_CALM, len(block.wall))

    def disturbed(self) -> float:
        """Share of the runs that did not have the processor for themselves."""
        good = sum(len(b.undisturbed(self.clocked, self._probe.best_ms)) for b in self.blocks)
        return 1 - good / sum(len(block.wall) for block in self.blocks)

    def _timed(self) -> tuple[float, float]:
        """Milliseconds of a run: on the wall, and of this thread on a processor."""
        if self._timer:
            taken = self._timer(self._inputs)
            return taken, taken
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        self._session(self._inputs)
        cpu_end, wall_end = time.thread_time_ns(), time.perf_counter_ns()
        return (wall_end - wall) / 1e6, (cpu_end - cpu) / 1e6


def _settled(recent: list[float]) -> bool:
    """Whether the last ten runs are as fast as the ten before them, within 5 %."""
    before, after = statistics.median(recent[-20:-10]), statistics.median(recent[-10:])
    return abs(after - before) <= 0.05 * before


@contextmanager
def steady(pin: bool) -> Iterator[None]:
    """No garbage collection, and this thread on one core if it is the only one that works."""
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
