"""Ranks trials by several losses: by non-dominated rank, then by spread. Pure."""

from __future__ import annotations

import numpy as np

from paretune.search.front.pareto import Array, non_dominated


def ranks(losses: Array) -> Array:
    """Returns the non-dominated rank [N] of losses [N, M].

    The front has rank 0, the front of the remaining rows rank 1, and so on.
    """
    levels = np.zeros(len(losses), dtype=int)
    rest, rank = np.arange(len(losses)), 0
    while len(rest):
        on_front = non_dominated(losses[rest])
        levels[rest[on_front]] = rank
        rest, rank = rest[np.logical_not(on_front)], rank + 1
    return levels


def spread_order(losses: Array) -> list[int]:
    """Returns rows of losses [N, M] in an order in which the first k are spread out, for each k.

    The epsilon-net of Salinas et al. 2021 and Schmucker et al. 2021
    (https://arxiv.org/abs/2106.12639): first the row that is least in the first loss, then always
    the row that is farthest from those taken; of equal rows the earlier. Losses are scaled to
    [0, 1] over the rows, so that units do not matter.
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


def best_rows(losses: Array, count: int) -> list[int]:
    """Returns the best `count` rows of losses [N, M], best first: front after front, by spread.

    Raises:
        ValueError: A loss is NaN.
    """
    rows: list[int] = []
    levels = ranks(losses)
    for level in range(int(levels.max(initial=-1)) + 1):
        if len(rows) >= count:
            break
        front = np.flatnonzero(levels == level)
        rows += [int(front[index]) for index in spread_order(losses[front])]
    return rows[:count]
