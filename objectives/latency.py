"""Latency of the artifact in its runtime, against the baseline in the same minutes.

A machine's speed drifts over seconds, by more than two candidates differ. So candidate and baseline
run in alternating blocks; each pair of blocks gives a ratio, in which what slows both cancels, and
the value is the median ratio times the baseline's own reference latency. Two candidates measured an
hour apart are thus in the same milliseconds. What slows one network more than the other (a
neighbour that takes cache or memory bandwidth) stays in the ratio, and the interval is of one
measurement: it does not know of that. The raw milliseconds of both are in the conditions.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field

from objectives.base import Better, Measurement, Subject, Unmeasurable
from objectives.host import load_average
from objectives.params import Params

BLOCK_SECONDS = 0.004
"""A block is long against the clock's resolution and short against the machine's drift."""

LEAST_RUNS = 3
"""In a block, so that its median stands one interruption."""
LEAST_BLOCKS = 15
MOST_BLOCKS = 4000
WARM_SECONDS = 0.2
RESAMPLES = 300


class Latency:
    """Milliseconds for one batch, interleaved with the baseline so that drift cancels."""

    name = "latency"
    unit = "ms"
    better: Better = "lower"
    cost = 2

    class Params(Params):
        """Options of latency."""

        statistic: Literal["p50", "p90", "p99", "mean"] = Field(
            "p50", description="of the runs: median, a percentile, or the mean"
        )
        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        precision: float = Field(
            0.02, gt=0, lt=1, description="wanted half width of the 95 % interval, relative"
        )
        seconds: float = Field(2.0, gt=0, le=3600, description="the most that is spent on it")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact, in turn with the baseline where there is one."""
        inputs = _inputs(subject, params.batch)
        ours = _Runs(subject, subject.artifact.path, inputs)
        base = _Runs(subject, subject.baseline.path, inputs) if subject.baseline else None
        with _steady(pin=getattr(subject.options, "threads", 0) == 1):
            warm = ours.warm_up() + (base.warm_up() if base else 0)
            spread = _interleave(ours, base, params)
        raw = _statistic(ours.all_ms, params.statistic)
        low, value, high = spread.interval
        if base is not None:
            scale = subject.reference[Latency.name].value
            low, value, high = low * scale, value * scale, high * scale
        conditions = {
            "statistic": params.statistic,
            "batch": params.batch,
            "shape": list(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "relative_to": "baseline" if base else None,
            "ratio": spread.interval[1] if base else 1.0,
            "raw_ms": raw,
            "raw_baseline_ms": _statistic(base.all_ms, params.statistic) if base else raw,
            "p50_ms": _statistic(ours.all_ms, "p50"),
            "p90_ms": _statistic(ours.all_ms, "p90"),
            "p99_ms": _statistic(ours.all_ms, "p99"),
            "mean_ms": _statistic(ours.all_ms, "mean"),
            "iqr_ms": _quantile(ours.all_ms, 0.75) - _quantile(ours.all_ms, 0.25),
            "blocks": len(ours.blocks),
            "warm_up_runs": warm,
            "precise_enough": spread.precise,
            "load_average": load_average(),
            "denormals": "flushed",
        }
        return Measurement(
            Latency.name,
            value,
            Latency.unit,
            Latency.better,
            low,
            high,
            len(ours.all_ms),
            conditions,
        )


class _Runs:
    """Timed runs of one artifact, in blocks."""

    def __init__(self, subject: Subject, path: Any, inputs: Any) -> None:
        self._session: Callable[[Any], Any] = subject.runtime.load(path, subject.options)
        self._inputs = inputs
        self._in_block = 1
        self.blocks: list[list[float]] = []

    @property
    def all_ms(self) -> list[float]:
        """Every run, in ms."""
        return [run for block in self.blocks for run in block]

    def warm_up(self) -> int:
        """Runs until the time of a run has settled; gives the number of runs."""
        begun, runs = time.perf_counter(), 0
        recent: list[float] = []
        while time.perf_counter() - begun < WARM_SECONDS or runs < 5:
            recent.append(self._timed())
            runs += 1
            if runs >= 20 and time.perf_counter() - begun > WARM_SECONDS / 4 and _settled(recent):
                break
        # Of the fast runs: on a busy machine a slow one tells how long it had to wait for the
        # processor, and blocks of a single run would each wait for it again.
        undisturbed = _quantile(recent, 0.1) / 1000
        self._in_block = max(LEAST_RUNS, min(200, round(BLOCK_SECONDS / undisturbed)))
        return runs

    def block(self) -> None:
        """One block of runs; its first run, on the other one's caches, is not counted."""
        self._session(self._inputs)
        self.blocks.append([self._timed() for _ in range(self._in_block)])

    def _timed(self) -> float:
        begun = time.perf_counter_ns()
        self._session(self._inputs)
        return (time.perf_counter_ns() - begun) / 1e6


class _Spread:
    """The statistic of the blocks (or of their ratios) and its 95 % interval."""

    def __init__(self, figures: list[float], precision: float) -> None:
        middle = statistics.median(figures)
        low, high = _median_interval(figures)
        self.interval = (min(low, middle), middle, max(high, middle))
        self.precise = (high - low) / 2 <= precision * middle


def _interleave(ours: _Runs, base: _Runs | None, params: Any) -> _Spread:
    """Blocks in turn until the interval is narrow enough or the time is spent."""
    begun = time.perf_counter()
    figures: list[float] = []
    look_at = LEAST_BLOCKS
    while True:
        first, second = (ours, base) if len(figures) % 2 else (base, ours)
        for runs in (first, second):
            if runs is not None:
                runs.block()
        own = _statistic(ours.blocks[-1], params.statistic)
        figures.append(own / _statistic(base.blocks[-1], params.statistic) if base else own)
        if len(figures) < look_at:
            continue
        look_at = int(look_at * 1.3) + 1  # looking costs time too
        spread = _Spread(figures, params.precision)
        spent = time.perf_counter() - begun >= params.seconds
        if spread.precise or spent or len(figures) >= MOST_BLOCKS:
            return spread


def _median_interval(figures: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the median; a moving-block one, as neighbours are alike."""
    count = len(figures)
    length = max(1, round(count ** (1 / 3)))
    generator = random.Random(0)
    medians = []
    for _ in range(RESAMPLES):
        sample: list[float] = []
        while len(sample) < count:
            start = generator.randrange(count - length + 1)
            sample += figures[start : start + length]
        medians.append(statistics.median(sample[:count]))
    medians.sort()
    return medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES) - 1]


def _settled(recent: list[float]) -> bool:
    """Whether the last ten runs are as fast as the ten before them, within 5 %."""
    before, after = statistics.median(recent[-20:-10]), statistics.median(recent[-10:])
    return abs(after - before) <= 0.05 * before


def _statistic(runs: list[float], which: str) -> float:
    if which == "mean":
        return statistics.fmean(runs)
    return _quantile(runs, {"p50": 0.5, "p90": 0.9, "p99": 0.99}[which])


def _quantile(runs: list[float], share: float) -> float:
    ordered = sorted(runs)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _inputs(subject: Subject, batch: int) -> Any:
    """Real validation examples, [batch, ...]: zeros would be unusually fast or slow."""
    import numpy as np

    inputs = next((x for x, _ in subject.data.arrays("validation", batch)), ())
    if len(inputs) == 0:
        raise Unmeasurable("the validation part has no examples")
    while len(inputs) < batch:
        inputs = np.concatenate([inputs, inputs])
    return np.ascontiguousarray(inputs[:batch])


@contextmanager
def _steady(pin: bool) -> Iterator[None]:
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
