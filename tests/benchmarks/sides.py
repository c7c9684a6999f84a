"""Runs the sides of a benchmark in turn, so that a slow minute of the machine affects all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def in_turn(
    sides: Sequence[Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Returns the seconds of each side in each round; each round begins with another side.

    Args:
        sides: Functions to compare.
        repeats: Number of rounds.
        clock: Returns seconds. `time.process_time` suits work that this process does alone: it
            leaves out other work on the machine.
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
    """Returns the median over the rounds of above / below."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def range_of_ratios(above: Sequence[float], below: Sequence[float]) -> str:
    """Describes the smallest and the largest ratio of a round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return f"{min(ratios):.2f} to {max(ratios):.2f} over {len(ratios)} rounds"
