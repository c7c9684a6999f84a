"""How many units stay in each layer.

All ways to spread an amount over layers are one list of cuts in an order, of which a beginning is
made: more is a longer beginning, so that a higher ratio never keeps more anywhere.
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


@dataclass(frozen=True)
class Cut:
    """One more rounded group of units goes from a layer.

    Attributes:
        layer: Its place in the list of layers.
        keep: Units that stay in it, in each block.
        above: Made when the ratio is above this.
        order: Its place among all cuts, for a target in multiply-adds.
    """

    layer: int
    keep: int
    above: float
    order: float


@dataclass(frozen=True)
class WidthPlan:
    """The layers of a network that is about to lose units.

    Attributes:
        layers: As they are.
        full: Units of each before anything was pruned; ratios are of these.
        scores: Importance of each layer's units.
        round_to: Channels that stay are a multiple of this.
    """

    layers: Sequence[PrunableLayer]
    full: Sequence[int]
    scores: Sequence[torch.Tensor]
    round_to: int

    def multiple(self, index: int) -> int:
        """What each block of a layer rounds to, so that all together keep to `round_to`."""
        layer = self.layers[index]
        return 1 if layer.heads else self.round_to // math.gcd(self.round_to, layer.blocks)

    def steps(self, index: int) -> range:
        """The numbers of units that may stay in a layer, descending; at least one group does."""
        multiple = self.multiple(index)
        return range((self.layers[index].units - 1) // multiple * multiple, 0, -multiple)


def uniform(plan: WidthPlan) -> list[Cut]:
    """The same ratio in each layer, rounded down to a group."""
    return [_at_ratio(plan, index, keep) for index in _indices(plan) for keep in plan.steps(index)]


def _at_ratio(plan: WidthPlan, index: int, keep: int) -> Cut:
    full, multiple = plan.full[index], plan.multiple(index)
    above = 1 - (keep + multiple - EPSILON) / full
    return Cut(index, keep, above, 1 - (keep + multiple / 2) / full)


def ranked(plan: WidthPlan) -> list[Cut]:
    """One ranking over all layers: importances are divided by their layer's mean before."""
    import torch

    scaled = [score / (score.mean() + 1e-12) for score in plan.scores]
    order = torch.argsort(torch.cat(scaled), descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    total = sum(plan.full)
    found = []
    for index, own in enumerate(torch.split(place, [len(score) for score in scaled])):
        best = own.sort().values.tolist()  # places of this layer's units, the best first
        for keep in plan.steps(index):
            last = keep + plan.multiple(index) - 1
            at = best[last] if last < len(best) else total
            above = 1 - (at + 1 - EPSILON) / total
            found.append(Cut(index, keep, above, 1 - best[keep] / total))
    return found


def by_sensitivity(plan: WidthPlan, rise: Mapping[str, Sequence[tuple[float, float]]]) -> list[Cut]:
    """First what raises the loss least.

    Args:
        plan: The layers.
        rise: Layer name -> (share of its units, rise of the loss without them), shares ascending.
    """
    expected = [
        (_interpolated(rise[plan.layers[index].name], 1 - keep / plan.full[index]), index, -keep)
        for index in _indices(plan)
        for keep in plan.steps(index)
    ]
    gone = sum(full - layer.units for full, layer in zip(plan.full, plan.layers, strict=True))
    stays = [layer.units for layer in plan.layers]
    found = []
    for place, (_, index, negative) in enumerate(sorted(expected)):
        gone += stays[index] + negative
        stays[index] = -negative
        found.append(Cut(index, -negative, gone / sum(plan.full) - EPSILON, place))
    return found


def _interpolated(points: Sequence[tuple[float, float]], share: float) -> float:
    """The rise at a share, between points made ascending; the last slope goes on."""
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
    """Units that stay in each layer at a ratio."""
    return _after(plan, [cut for cut in cuts if ratio > max(cut.above, 0.0)])


def keep_by_layer(plan: WidthPlan, ratios: Sequence[float]) -> list[int]:
    """Units that stay where each layer has a ratio of its own."""
    cuts = uniform(plan)
    return _after(plan, [cut for cut in cuts if ratios[cut.layer] > max(cut.above, 0.0)])


def keep_by_cost(
    plan: WidthPlan,
    cuts: Sequence[Cut],
    cost: Callable[[list[int]], float],
    target: float,
    tolerance: float,
) -> list[int]:
    """Units that stay in each layer for the cost nearest to a target.

    Cut by cut; where that misses the target by more than the tolerance (a share of it), single
    layers are changed a little to come nearer.
    """
    best = now = [layer.units for layer in plan.layers]
    nearest = abs(cost(now) - target)
    for cut in sorted(cuts, key=lambda cut: (cut.order, -cut.keep)):
        now = [*now[: cut.layer], min(now[cut.layer], cut.keep), *now[cut.layer + 1 :]]
        found = cost(now)
        if abs(found - target) < nearest:
            best, nearest = now, abs(found - target)
        if found < target:
            break
    if nearest <= tolerance * target:
        return best
    return min(_near(plan, best), key=lambda keep: abs(cost(keep) - target))


def _near(plan: WidthPlan, keep: list[int]) -> Iterator[list[int]]:
    """What differs from `keep` by up to two groups in up to two layers; itself comes first."""
    yield keep
    choices = []
    for index, layer in enumerate(plan.layers):
        allowed = [layer.units, *plan.steps(index)]
        place = allowed.index(keep[index])
        choices.append(allowed[max(place - 2, 0) : place + 3])
    for one, other in itertools.combinations_with_replacement(_indices(plan), 2):
        for first, second in itertools.product(choices[one], choices[other]):
            changed = list(keep)
            changed[one], changed[other] = first, second
            yield changed


def _after(plan: WidthPlan, cuts: Sequence[Cut]) -> list[int]:
    keep = [layer.units for layer in plan.layers]
    for cut in cuts:
        keep[cut.layer] = min(keep[cut.layer], cut.keep)
    return keep


def _indices(plan: WidthPlan) -> range:
    return range(len(plan.layers))
