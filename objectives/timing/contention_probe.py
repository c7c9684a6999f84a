"""Probes the processor: was it at full speed just before and just after a run?

A virtual core may share its physical core with a neighbour, which is another virtual core. While
the neighbour computes, a network takes 1.4 to 2 times as long. It is not interrupted, and each
network slows down by a different factor. Such spells last milliseconds to minutes, so a median of
all runs would mainly measure how often there was a neighbour. The probe detects it: a few
microseconds of fixed work take longer too.

Measured for one minute at a load of 11, with networks of 0.03 to 0.3 ms: the 90th percentile of all
uninterrupted runs was 1.7 to 1.9 times the fastest run. With only runs between two probes within
1.2 times the best probe, it was 1.14 to 1.27 times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

SHARED = 1.2
"""The core counts as shared if a probe takes more than this times the best probe. With a neighbour
it takes 1.5 to 2 times as long."""

SLOWER_HOST = 1.15
"""The host counts as slower if the best probe of the session takes more than this times the best
probe of the baseline's measurement."""

FIRST_PROBES = 2000
"""Probes made at the start to learn the best; they take about 20 ms."""

BEST_QUANTILE = 0.05
"""The best probe is this quantile; the fastest single one may be chance."""


class ContentionProbe:
    """Times a tiny piece of fixed work.

    Attributes:
        best_ms: Milliseconds of the work on a core that is not shared, as far as observed.
    """

    def __init__(self) -> None:
        self.best_ms = float("inf")
        self.learn([self() for _ in range(FIRST_PROBES)])

    def __call__(self) -> float:
        """Returns the milliseconds of the work.

        The work is done once before, untimed, because the network's run has evicted it from caches.
        """
        _work()
        begun = time.perf_counter_ns()
        _work()
        return (time.perf_counter_ns() - begun) / 1e6

    def learn(self, probes_ms: Sequence[float]) -> None:
        """Lowers `best_ms` to the best of these probes; ignores fewer than 20 probes."""
        if len(probes_ms) >= 1 / BEST_QUANTILE:
            best = sorted(probes_ms)[int(BEST_QUANTILE * len(probes_ms))]
            self.best_ms = min(self.best_ms, best)


def _work() -> int:
    return sum(range(400))
