"""A clock that only tests move, and a probe with fixed times."""

from __future__ import annotations

import itertools

import pytest

from paretune.objectives.timing.contention_probe import ContentionProbe


class FakeClock:
    """Replaces the module `time`: a wall clock, and the processor clock of this thread."""

    def __init__(self) -> None:
        self._wall_ns = self._cpu_ns = 0

    def advance(self, ms: float, cpu_ms: float | None = None) -> None:
        """Moves both clocks by `ms`, or the processor clock by `cpu_ms`."""
        self._wall_ns += round(ms * 1e6)
        self._cpu_ns += round((ms if cpu_ms is None else cpu_ms) * 1e6)

    def perf_counter(self) -> float:
        return self._wall_ns / 1e9

    def perf_counter_ns(self) -> int:
        return self._wall_ns

    def thread_time_ns(self) -> int:
        return self._cpu_ns


class FixedProbe(ContentionProbe):
    """Returns these times in turn, again and again; the best time is 1 ms."""

    def __init__(self, *times_ms: float) -> None:
        self._times_ms = itertools.cycle(times_ms)
        self.best_ms = 1.0

    def __call__(self) -> float:
        return next(self._times_ms)

    def learn(self, probes_ms: object) -> None:
        pass


@pytest.fixture
def fixed_probe() -> type[FixedProbe]:
    return FixedProbe


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Replaces the clock of runs and rounds."""
    clock = FakeClock()
    monkeypatch.setattr("paretune.objectives.timing.runs.time", clock)
    monkeypatch.setattr("paretune.objectives.timing.rounds.time", clock)
    return clock
