"""Who is best among trials with several losses: by non-dominated rank, then by spread. Pure."""

from __future__ import annotations

import numpy as np

from paretune.search.front.pareto import Array, non_dominated


def ranks(losses: Array) -> Array:
    """Non-dominated rank [N] of losses [N, M]: 0 on the front, 1 on the front of the rest, ..."""
    found = np.zeros(len(losses), dtype=int)
    rest, rank = np.arange(len(losses)), 0
    while len(rest):
        on_front = non_dominated(losses[rest])
        found[rest[on_front]] = rank
        rest, rank = rest[np.logical_not(on_front)], rank + 1
    return found


def spread_order(losses: Array) -> list[int]:
    """Rows of losses [N, M] in an order whose every beginning is spread out.

    The epsilon-net of Salinas et al. 2021 and Schmucker et al. 2021 (https://arxiv.org/abs/2106.12639):
    first the least in the first loss, then always the row that is farthest from those taken; of
    equal ones the earlier. Losses are scaled to [0, 1] over the rows, so that units do not matter.
    """
    low, high = losses.min(axis=0), losses.max(axis=0)
    scaled = (losses - low) / np.where(high > low, high - low, 1.0)
    order = [int(scaled[:, 0].argmin())]
    nearest = np.full(len(scaled), np.inf)
    while len(order) < len(scaled):
        nearest = np.minimum(nearest, ((scaled - scaled[order[-1]]) ** 2).sum(axis=1))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return order


def best(losses: Array, wanted: int) -> list[int]:
    """The best `wanted` rows of losses [N, M], the best first: front after front, each by spread.

    Raises:
        ValueError: A loss is NaN.
    """
    found: list[int] = []
    rank = ranks(losses)
    for level in range(int(rank.max(initial=-1)) + 1):
        if len(found) >= wanted:
            break
        front = np.flatnonzero(rank == level)
        found += [int(front[place]) for place in spread_order(losses[front])]
    return found[:wanted]
