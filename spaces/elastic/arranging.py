"""Arranges a network as an elastic one: the order of its channels and blocks, and its space.

The order is measured before the elastic training and stays (slimmable networks, Yu et al. 2019,
https://arxiv.org/abs/1812.08928; importance before training as in once-for-all, Cai et al. 2020,
https://arxiv.org/abs/1908.09791, and BootstrapNAS, Munoz et al. 2022,
https://arxiv.org/abs/2112.10878). No weight is moved.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.elastic.arrangement import TECHNIQUE, Arrangement
from paretune.spaces.elastic.parts import parts_of, sizes_of_outputs, stages_of
from paretune.spaces.elastic.space import RESOLUTION, ElasticSpace
from paretune.spaces.elastic.spec import ElasticSpec

if TYPE_CHECKING:
    import torch

    from paretune.spaces.pruning.widths import WidthPlan


def arranged(
    candidate: Candidate, spec: ElasticSpec, context: Context, check: bool = True
) -> Candidate:
    """Returns the same network with an arrangement in its history.

    Args:
        candidate: Any network; its weights stay.
        spec: What the subnets may differ in.
        context: Provides training examples and the seed.
        check: Compare two subnets with the networks cut out. An outline of a subnet needs no such
            check: nothing shares its weights.

    Raises:
        InfeasibleCandidate: The network has no layer that can be narrower, no block that can be
            left out, or a fixed size of images; or its subnets cannot share weights.
    """
    from paretune.spaces.elastic.comparison import check_subnets
    from paretune.spaces.elastic.resolutions import resolutions

    model = copy.deepcopy(candidate.model).cpu().eval()
    dimensions: dict[str, tuple[float, ...]] = {}
    members: dict[str, tuple[str, ...]] = {}
    orders, counts, kept_whole = _widths(model, candidate, spec, context, dimensions, members)
    pairs = _depths(model, candidate, spec, context, dimensions, members)
    if sides := resolutions(model, candidate, spec.resolution):
        dimensions[RESOLUTION] = sides
    space = ElasticSpace(dimensions, members)
    arrangement = Arrangement(space, orders, counts, pairs, kept_whole, spec.random)
    step = Step(TECHNIQUE, spec.model_dump(), arrangement.to_json())
    result = candidate.with_step(candidate.model, step)
    if check:
        check_subnets(result, arrangement, context)
    return result


def _widths(
    model: torch.nn.Module,
    candidate: Candidate,
    spec: ElasticSpec,
    context: Context,
    dimensions: dict[str, tuple[float, ...]],
    members: dict[str, tuple[str, ...]],
) -> tuple[dict[str, list[int]], dict[str, list[list[int]]], dict[str, str]]:
    """Adds the widths to the dimensions; returns orders, counts and layers that stay whole."""
    if spec.width is None:
        return {}, {}, {}
    plan, kept_whole = _plan(model, candidate, spec, context)
    names = [layer.name for layer in plan.layers]
    counts: dict[str, list[list[int]]] = {}
    for part in parts_of(sizes_of_outputs(model, candidate.shape, names), spec.groups):
        rows = _distinct_widths(plan, [names.index(name) for name in part], spec.widths)
        if len(rows) == 1:
            continue  # too few channels for `round_to`
        name = f"width.{len(counts) + 1}"
        dimensions[name] = tuple(rows)
        members[name] = tuple(part)
        counts[name] = list(rows.values())
    if not counts:
        raise InfeasibleCandidate(
            f"width: no layer can be narrower with round_to: {spec.round_to}, as its layers have "
            f"{max(layer.units for layer in plan.layers)} channels at most; give a smaller "
            "round_to"
        )
    orders = {
        layer.name: score.argsort(stable=True).tolist()
        for layer, score in zip(plan.layers, plan.scores, strict=True)
    }
    return orders, counts, kept_whole


def _plan(
    model: torch.nn.Module, candidate: Candidate, spec: ElasticSpec, context: Context
) -> tuple[WidthPlan, dict[str, str]]:
    """Returns the layers that can lose units, as structured pruning finds them."""
    from paretune.spaces.pruning.rounds import PruningRounds
    from paretune.spaces.pruning.structured import Structured

    params = Structured.Params(
        criterion=spec.criterion,
        ratio=0.0,
        round_to=spec.round_to,
        ignore=spec.ignore,
        images=spec.images,
    )
    return PruningRounds(model, candidate, params, context).first_plan()


def _distinct_widths(
    plan: WidthPlan, layers: Sequence[int], shares: Sequence[float]
) -> dict[float, list[int]]:
    """Returns share -> units that stay in each layer; of equal rows, the share nearest to them."""
    from paretune.spaces.pruning.widths import keep_by_layer

    full = sum(plan.full[index] for index in layers)
    nearest: dict[tuple[int, ...], float] = {}
    for share in shares:
        keep = keep_by_layer(plan, [1 - share] * len(plan.layers))
        row = tuple(keep[index] for index in layers)
        other = nearest.get(row)
        if other is None or abs(share - sum(row) / full) < abs(other - sum(row) / full):
            nearest[row] = share
    return {share: list(row) for row, share in sorted(nearest.items(), key=lambda item: item[1])}


def _depths(
    model: torch.nn.Module,
    candidate: Candidate,
    spec: ElasticSpec,
    context: Context,
    dimensions: dict[str, tuple[float, ...]],
    members: dict[str, tuple[str, ...]],
) -> dict[str, bool]:
    """Adds the depths to the dimensions; returns block -> whether it returns a tuple."""
    from paretune.spaces.pruning.depth import Depth, ranked_blocks

    if spec.depth is None:
        return {}
    params = Depth.Params(
        share=0.0,
        criterion=spec.depth.criterion,
        images=spec.images,
        ignore=spec.depth.ignore,
    )
    blocks, _, removable = ranked_blocks(model, candidate, params, context)
    pairs: dict[str, bool] = {}
    for part in stages_of({block.name: block.stage for block in blocks}, spec.groups):
        gone = [block for block in removable if block.name in part]
        total = len(part)
        least = max(total - len(gone), math.ceil(spec.depth.least * total - 1e-9))
        if least == total:
            continue
        name = f"depth.{sum(name.startswith('depth.') for name in dimensions) + 1}"
        dimensions[name] = tuple(float(count) for count in range(least, total + 1))
        members[name] = tuple(block.name for block in gone)
        pairs.update({block.name: block.pair for block in gone})
    if not pairs:
        raise InfeasibleCandidate(
            f"depth: no residual block can be left out with least: {spec.depth.least:g}; one of "
            "each shape stays; give a smaller least, or fewer groups"
        )
    return pairs
