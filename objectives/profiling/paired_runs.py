"""Runs with and without profiling in turn, of which the faster half counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paretune.objectives.profiling.base import NetworkPart
from paretune.objectives.timing.estimates import quantile
from paretune.objectives.timing.runs import steady

Ran = tuple[float, Sequence[NetworkPart]]
"""Milliseconds of a profiled run, and its parts."""

SECONDS = 1.5
LEAST, MOST = 12, 400
"""Of profiled runs."""

WARM = 5


def run_pairs(
    plain: Callable[[], object],
    profiled: Callable[[], float | None],
    seconds: float = SECONDS,
    pin: bool = False,
) -> tuple[float, list[float]]:
    """Runs both in turn until the time is spent, without garbage collection.

    Args:
        plain: A run without profiling.
        profiled: One with; its milliseconds if it knows them better than a clock around it.
        seconds: The time for both, warming up left out.
        pin: Keep to one core, for a runtime of one thread.

    Returns:
        Milliseconds of a plain run (median of the faster half), and of each profiled one in order.
    """
    without: list[float] = []
    having: list[float] = []
    with steady(pin):
        for _ in range(WARM):
            plain()
            profiled()
        begun = time.perf_counter()
        while len(having) < MOST:
            started = time.perf_counter_ns()
            plain()
            between = time.perf_counter_ns()
            known = profiled()
            ended = time.perf_counter_ns()
            without.append((between - started) / 1e6)
            having.append((ended - between) / 1e6 if known is None else known)
            if len(having) >= LEAST and time.perf_counter() - begun > seconds:
                break
    return statistics.median(sorted(without)[: (len(without) + 1) // 2]), having


@dataclass(frozen=True)
class FasterHalf:
    """The faster half of some runs.

    Attributes:
        ms: Median of a run.
        parts: Those of one layer and operator in a run added up; lower quartiles over all runs, as
            what interrupts a run falls into one of its parts.
        between: Median of what a run took outside of its parts.
        count: Of all runs.
    """

    ms: float
    parts: tuple[NetworkPart, ...]
    between: float
    count: int


def faster_half(runs: Sequence[Ran]) -> FasterHalf:
    """What is typical of runs that nothing interrupted for long."""
    kept = sorted(runs, key=lambda run: run[0])[: (len(runs) + 1) // 2]
    found: dict[tuple[str, str], list[float]] = {}
    for _, parts in runs:
        in_run: dict[tuple[str, str], float] = {}
        for part in parts:
            key = (part.path, part.operator)
            in_run[key] = in_run.get(key, 0.0) + part.ms
        for key, ms in in_run.items():
            found.setdefault(key, []).append(ms)
    return FasterHalf(
        statistics.median(ms for ms, _ in kept),
        tuple(NetworkPart(path, name, quantile(ms, 0.25)) for (path, name), ms in found.items()),
        max(0.0, statistics.median(ms - sum(part.ms for part in parts) for ms, parts in kept)),
        len(runs),
    )
