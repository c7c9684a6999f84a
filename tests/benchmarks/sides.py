"""What the benchmarks share: two sides in turn, so that a slow minute of the machine hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def in_turn(
    sides: Sequence[Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds of each side in each round; a round begins with another side than the last one.

    Args:
        sides: What is compared.
        repeats: Rounds.
        clock: `time.process_time` for work that this process does alone, which leaves out what the
            machine does besides.
    """
    seconds: list[list[float]] = [[] for _ in sides]
    order = list(range(len(sides)))
    for _ in range(repeats):
        for side in order:
            begun = clock()
            sides[side]()
            seconds[side].append(clock() - begun)
        order = [*order[1:], order[0]]
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Median over the rounds of above / below."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def range_of_ratios(above: Sequence[float], below: Sequence[float]) -> str:
    """The smallest and the largest ratio of a round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} rounds"
