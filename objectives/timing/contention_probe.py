"""A probe of the processor: whether it ran at its own speed just before and after a run.

A virtual core shares its silicon with others. While a neighbour computes on the same core, a
network runs 1.4 to 2 times longer, without being interrupted and by a factor of its own: the
median of the runs then says how often there was a neighbour. Such spells last milliseconds to
minutes. A few microseconds of fixed work tell. One minute at a load of 11, networks of 0.03 to 0.3
ms: of all uninterrupted runs the ninetieth of a hundred lay 1.7 to 1.9 times above the fastest, of
those between two probes within 1.2 of the best 1.14 to 1.27 times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

CALM = 1.2
"""Probe over its best from which on the processor counts as shared; with a neighbour it takes 1.5
to 2 times as long."""

DEAFENED = 1.15
"""A whole session whose best probe is so much slower than another's was taken on a slower host."""

FIRST = 2000
"""Probes at the beginning, to learn the best: about 20 ms."""

BEST_SHARE = 0.05
"""The best probe is this quantile: a single one may be lucky."""


class ContentionProbe:
    """Times a tiny piece of fixed work.

    Attributes:
        best_ms: What it takes when nobody shares the processor, as far as was seen.
    """

    def __init__(self) -> None:
        self.best_ms = float("inf")
        self.learn([self() for _ in range(FIRST)])

    def __call__(self) -> float:
        """Milliseconds of the work; done once before, since the run has emptied the caches."""
        _work()
        begun = time.perf_counter_ns()
        _work()
        return (time.perf_counter_ns() - begun) / 1e6

    def learn(self, seen: Sequence[float]) -> None:
        """Lowers the best by probes of a while, at least twenty."""
        if len(seen) >= 1 / BEST_SHARE:
            self.best_ms = min(self.best_ms, sorted(seen)[int(BEST_SHARE * len(seen))])


def _work() -> int:
    return sum(range(400))
