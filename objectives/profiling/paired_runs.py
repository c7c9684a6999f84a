"""Makes runs with and without profiling in turn; the faster half of each counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretune.objectives.profiling.base import NetworkPart
from paretune.objectives.timing.estimates import quantile
from paretune.objectives.timing.runs import steady

ProfiledRun = tuple[float, Sequence[NetworkPart]]
"""Milliseconds of a profiled run, and its parts."""

SECONDS = 1.5
"""Seconds of measuring, by default."""

LEAST_RUNS, MOST_RUNS = 12, 400
"""Fewest and most profiled runs."""

WARM_UP = 5
"""Pairs of runs before measuring."""


def run_pairs(
    plain: Callable[[], object],
    profiled: Callable[[], float | None],
    seconds: float = SECONDS,
    pin: bool = False,
) -> tuple[float, list[float]]:
    """Makes both runs in turn until the time is spent, without garbage collection.

    Args:
        plain: Runs without profiling.
        profiled: Runs with profiling. It returns milliseconds, or None to be timed from outside.
        seconds: Seconds for both, without warming up.
        pin: Keep this thread on one core, for a runtime with one thread.

    Returns:
        Milliseconds of a plain run (median of the faster half), and of each profiled run in order.
    """
    plain_ms: list[float] = []
    profiled_ms: list[float] = []
    with steady(pin):
        for _ in range(WARM_UP):
            plain()
            profiled()
        begun = time.perf_counter()
        while len(profiled_ms) < MOST_RUNS:
            started = time.perf_counter_ns()
            plain()
            between = time.perf_counter_ns()
            ms = profiled()
            ended = time.perf_counter_ns()
            plain_ms.append((between - started) / 1e6)
            profiled_ms.append((ended - between) / 1e6 if ms is None else ms)
            if len(profiled_ms) >= LEAST_RUNS and time.perf_counter() - begun > seconds:
                break
    return statistics.median(sorted(plain_ms)[: (len(plain_ms) + 1) // 2]), profiled_ms


@dataclass(frozen=True)
class FasterHalf:
    """The times of profiled runs that were not interrupted for long.

    Attributes:
        ms: Milliseconds of a run: the median of the faster half.
        parts: Parts of a run, one for each layer and operator. Their milliseconds are lower
            quartiles over all runs, because an interruption falls into only one part of a run.
        between: Milliseconds outside of all parts: the median of the faster half.
        count: Number of all runs.
    """

    ms: float
    parts: tuple[NetworkPart, ...]
    between: float
    count: int


def faster_half(runs: Sequence[ProfiledRun]) -> FasterHalf:
    """Returns the typical times of profiled runs."""
    faster = sorted(runs, key=lambda run: run[0])[: (len(runs) + 1) // 2]
    part_ms: dict[tuple[str, str], list[float]] = {}
    for _, parts in runs:
        in_run: dict[tuple[str, str], float] = {}
        for part in parts:
            key = (part.path, part.operator)
            in_run[key] = in_run.get(key, 0.0) + part.ms
        for key, ms in in_run.items():
            part_ms.setdefault(key, []).append(ms)
    return FasterHalf(
        statistics.median(ms for ms, _ in faster),
        tuple(NetworkPart(path, name, quantile(ms, 0.25)) for (path, name), ms in part_ms.items()),
        max(0.0, statistics.median(ms - sum(part.ms for part in parts) for ms, parts in faster)),
        len(runs),
    )
