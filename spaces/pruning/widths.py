"""The number of units that stay in each layer.

Every way to spread an amount over layers is an ordered list of cuts. A small amount makes the first
ones, a larger amount more of them. So no layer keeps more units at a higher ratio.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.spaces.pruning.layer import PrunableLayer

if TYPE_CHECKING:
    import torch

EPSILON = 1e-6
"""Part of a unit that a ratio may miss by rounding."""


@dataclass(frozen=True)
class Cut:
    """The removal of one more rounded group of units from a layer.

    Attributes:
        layer: Index in the list of layers.
        keep: Units that stay in each block of the layer.
        above: Ratio above which the cut is made.
        order: Sort key among all cuts, for a target in multiply-adds; lower is earlier.
    """

    layer: int
    keep: int
    above: float
    order: float


@dataclass(frozen=True)
class WidthPlan:
    """The prunable layers of a network with the importance of their units, before one round.

    Attributes:
        layers: Layers in their present widths.
        full: Units of each layer before the first round; ratios refer to these.
        scores: Importance of each layer's units.
        round_to: A pruned layer keeps a multiple of this many channels.
    """

    layers: Sequence[PrunableLayer]
    full: Sequence[int]
    scores: Sequence[torch.Tensor]
    round_to: int

    def multiple(self, index: int) -> int:
        """Returns the multiple for each block, so that all blocks together fit `round_to`."""
        layer = self.layers[index]
        return 1 if layer.heads else self.round_to // math.gcd(self.round_to, layer.blocks)

    def steps(self, index: int) -> range:
        """Returns the numbers of units that a pruned layer may keep, descending, above 0."""
        multiple = self.multiple(index)
        return range((self.layers[index].units - 1) // multiple * multiple, 0, -multiple)


def uniform(plan: WidthPlan) -> list[Cut]:
    """Returns the cuts for the same ratio in each layer, rounded down to a group."""
    return [_at_ratio(plan, index, keep) for index in _indices(plan) for keep in plan.steps(index)]


def _at_ratio(plan: WidthPlan, index: int, keep: int) -> Cut:
    full, multiple = plan.full[index], plan.multiple(index)
    above = 1 - (keep + multiple - EPSILON) / full
    return Cut(index, keep, above, 1 - (keep + multiple / 2) / full)


def ranked(plan: WidthPlan) -> list[Cut]:
    """Returns the cuts by one ranking of all units; scores are divided by their layer's mean."""
    import torch

    scaled = [score / (score.mean() + 1e-12) for score in plan.scores]
    order = torch.argsort(torch.cat(scaled), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    total = sum(plan.full)
    cuts = []
    for index, layer_ranks in enumerate(torch.split(rank, [len(score) for score in scaled])):
        ranks = layer_ranks.sort().values.tolist()  # the most important unit first
        for keep in plan.steps(index):
            last = keep + plan.multiple(index) - 1
            lowest = ranks[last] if last < len(ranks) else total
            above = 1 - (lowest + 1 - EPSILON) / total
            cuts.append(Cut(index, keep, above, 1 - ranks[keep] / total))
    return cuts


def by_sensitivity(plan: WidthPlan, rise: Mapping[str, Sequence[tuple[float, float]]]) -> list[Cut]:
    """Returns the cuts in the order of the expected rise of the loss, the smallest first.

    Args:
        plan: The layers.
        rise: Layer name -> [(share of its units, rise of the loss without them)], by share.
    """
    expected = [
        (_interpolated(rise[plan.layers[index].name], 1 - keep / plan.full[index]), index, -keep)
        for index in _indices(plan)
        for keep in plan.steps(index)
    ]
    removed = sum(full - layer.units for full, layer in zip(plan.full, plan.layers, strict=True))
    units = [layer.units for layer in plan.layers]
    cuts = []
    for position, (_, index, negative) in enumerate(sorted(expected)):
        removed += units[index] + negative
        units[index] = -negative
        cuts.append(Cut(index, -negative, removed / sum(plan.full) - EPSILON, position))
    return cuts


def _interpolated(points: Sequence[tuple[float, float]], share: float) -> float:
    """Returns the rise at a share, on lines through the points.

    A point below the one before is raised to it; beyond the last point, the last slope continues.
    """
    x0, y0 = 0.0, 0.0
    slope = 0.0
    for x1, y1 in points:
        y1 = max(y0, y1)
        slope = (y1 - y0) / (x1 - x0)
        if share <= x1:
            break
        x0, y0 = x1, y1
    return y0 + slope * (share - x0)


def keep_by_ratio(plan: WidthPlan, cuts: Sequence[Cut], ratio: float) -> list[int]:
    """Returns the units that stay in each layer at a ratio."""
    return _after(plan, [cut for cut in cuts if ratio > max(cut.above, 0.0)])


def keep_by_layer(plan: WidthPlan, ratios: Sequence[float]) -> list[int]:
    """Returns the units that stay in each layer if each has its own ratio."""
    cuts = uniform(plan)
    return _after(plan, [cut for cut in cuts if ratios[cut.layer] > max(cut.above, 0.0)])


def keep_by_cost(
    plan: WidthPlan,
    cuts: Sequence[Cut],
    cost: Callable[[list[int]], float],
    target: float,
    tolerance: float,
) -> list[int]:
    """Returns the units that stay in each layer for the cost nearest to a target.

    Cuts are made one by one. If the nearest cost differs from the target by more than the tolerance
    (a share of the target), one or two layers are changed slightly to come nearer.
    """
    best = widths = [layer.units for layer in plan.layers]
    nearest = abs(cost(widths) - target)
    for cut in sorted(cuts, key=lambda cut: (cut.order, -cut.keep)):
        widths = [*widths[: cut.layer], min(widths[cut.layer], cut.keep), *widths[cut.layer + 1 :]]
        reached = cost(widths)
        if abs(reached - target) < nearest:
            best, nearest = widths, abs(reached - target)
        if reached < target:
            break
    if nearest <= tolerance * target:
        return best
    return min(_near(plan, best), key=lambda keep: abs(cost(keep) - target))


def _near(plan: WidthPlan, keep: list[int]) -> Iterator[list[int]]:
    """Yields `keep`, then all lists that differ by up to two groups in up to two layers."""
    yield keep
    choices = []
    for index, layer in enumerate(plan.layers):
        allowed = [layer.units, *plan.steps(index)]
        position = allowed.index(keep[index])
        choices.append(allowed[max(position - 2, 0) : position + 3])
    for first_layer, second_layer in itertools.combinations_with_replacement(_indices(plan), 2):
        for first, second in itertools.product(choices[first_layer], choices[second_layer]):
            changed = list(keep)
            changed[first_layer], changed[second_layer] = first, second
            yield changed


def _after(plan: WidthPlan, cuts: Sequence[Cut]) -> list[int]:
    """Returns the units that stay in each layer after these cuts."""
    keep = [layer.units for layer in plan.layers]
    for cut in cuts:
        keep[cut.layer] = min(keep[cut.layer], cut.keep)
    return keep


def _indices(plan: WidthPlan) -> range:
    return range(len(plan.layers))
