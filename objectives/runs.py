"""Timed runs of one artifact, in visits; runs that another process interrupted are told apart.

A run that had the processor for itself takes as much time by the clock on the wall as by the
processor's own clock of this thread. One that was interrupted takes longer by the first.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from objectives.estimates import quantile

VISIT_SECONDS = 0.012
"""A visit is long against the caches' warming and short against the machine's drift."""

LEAST_RUNS = 3
"""In a visit, so that its median stands one interruption."""

WARM_SECONDS = 0.2

TOLERATED = 1.05
"""Wall time over processor time of a run that counts as undisturbed..."""

TOLERATED_MS = 0.003
"""...and so many milliseconds more: what reading the clocks takes."""


class Runs:
    """Runs of one session on one input.

    Args:
        session: Called with the input.
        inputs: The input.

    Attributes:
        visits: Milliseconds of the undisturbed runs of each visit, never empty.
        runs: How many were made in visits.
        disturbed: How many of them were interrupted, and do not count.
        clocked: Whether the processor's clock of this thread sees the work; it does not where a
            runtime works in threads of its own or on another device. Then every run counts.
    """

    def __init__(self, session: Callable[[Any], Any], inputs: Any) -> None:
        self._session = session
        self._inputs = inputs
        self.visits: list[list[float]] = []
        self.runs = self.disturbed = 0
        self.clocked = True

    @property
    def all_ms(self) -> list[float]:
        """Every run that counts, in ms."""
        return [run for visit in self.visits for run in visit]

    def warm_up(self, seconds: float = WARM_SECONDS) -> int:
        """Runs until the time of a run has settled; gives the number of runs."""
        begun = time.perf_counter()
        recent: list[tuple[float, float]] = []
        while time.perf_counter() - begun < seconds or len(recent) < 5:
            recent.append(self._timed())
            spent = time.perf_counter() - begun
            if len(recent) >= 20 and spent > seconds / 4 and _settled([w for w, _ in recent]):
                break
        # Of the least interrupted ones: on a busy machine most may be.
        self.clocked = quantile([wall / max(cpu, 1e-6) for wall, cpu in recent], 0.1) < 1.1
        return len(recent)

    def visit(self) -> None:
        """Some runs in a row; the first one, on another network's caches, does not count."""
        self._session(self._inputs)
        begun = time.perf_counter()
        made: list[tuple[float, float]] = []
        good: list[float] = []
        while True:
            wall, cpu = self._timed()
            made.append((wall, cpu))
            if not self.clocked or wall <= TOLERATED * cpu + TOLERATED_MS:
                good.append(wall)
            spent = time.perf_counter() - begun
            enough = len(good) >= LEAST_RUNS or spent > 3 * VISIT_SECONDS
            if spent > VISIT_SECONDS and len(made) >= LEAST_RUNS and enough:
                break
        self.runs += len(made)
        self.disturbed += len(made) - len(good)
        # Never left alone: the processor's own time is the next best.
        self.visits.append(good or [cpu for _, cpu in made])

    def _timed(self) -> tuple[float, float]:
        """Milliseconds of a run: on the wall, and of this thread on a processor."""
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
    gc.collect()
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
