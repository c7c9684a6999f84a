"""The importance of each unit of a layer, by several criteria.

Torch-Pruning has most of these criteria, but three of them differ from their papers (1.6.1): FPGM
measures distances between squared weights, the Hessian keeps only the last example, and Taylor
leaves out batch normalization. So each formula is written out here. A unit's score is the mean over
the weights that produce it, read it and scale it (Fang et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from paretune.spaces.pruning.layer import LayerPart, PartKind, PrunableLayer

if TYPE_CHECKING:
    import torch

Criterion = Literal["magnitude", "l1", "fpgm", "lamp", "bn_scale", "taylor", "hessian", "random"]

GRADIENTS = ("taylor", "hessian")
"""Criteria that need gradients from training images."""

Tensors = Mapping[str, "torch.Tensor"]


def scores(layer: PrunableLayer, criterion: Criterion, gradients: Tensors) -> torch.Tensor | None:
    """Returns the importance of a layer's units, float32 [units]; higher is more important.

    Returns None if the layer has no weights of the kind that the criterion reads. Scores are
    divided by their mean, because layers differ in scale. LAMP and random scores are comparable
    without that.

    Args:
        layer: The layer with the units to score.
        criterion: The name of the formula.
        gradients: Weight name -> mean gradient (taylor) or mean squared gradient (hessian).
    """
    import torch

    count = layer.units * layer.blocks
    if criterion == "random":
        return torch.rand(count).reshape(layer.blocks, -1).mean(0)
    kinds, score = FORMULAS[criterion]
    parts = [part for part in layer.parts if part.kind in kinds]
    if not parts:
        return None
    total = torch.zeros(count)
    for part in parts:
        total.scatter_add_(0, part.roots, score(part, gradients).float().cpu())
    total /= len(parts)
    total = _lamp(total) if criterion == "lamp" else total / total.mean().clamp(min=1e-12)
    return total.reshape(layer.blocks, -1).mean(0)


def _squares(part: LayerPart, gradients: Tensors) -> torch.Tensor:
    """Returns the sum of w^2 (Li et al. 2017, https://arxiv.org/abs/1608.08710, L2 norm)."""
    return part.rows().pow(2).sum(1)


def _absolutes(part: LayerPart, gradients: Tensors) -> torch.Tensor:
    """Returns the sum of |w| (Li et al. 2017)."""
    return part.rows().abs().sum(1)


def _distances(part: LayerPart, gradients: Tensors) -> torch.Tensor:
    """Returns the sum of distances to the layer's other filters (He et al. 2019, FPGM).

    https://arxiv.org/abs/1811.00250: the others can replace a filter near the geometric median.
    """
    import torch

    rows = part.rows()
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


def _taylor(part: LayerPart, gradients: Tensors) -> torch.Tensor:
    """Returns the sum of |w g| with the mean gradient g (Molchanov et al. 2019).

    https://arxiv.org/abs/1906.10771: the first-order change of the loss without the weight.
    """
    return (part.rows() * part.rows(gradients[part.name])).abs().sum(1)


def _hessian(part: LayerPart, gradients: Tensors) -> torch.Tensor:
    """Returns the sum of w^2 F / 2 with F the mean squared gradient of single examples.

    This is OBD for channels (Wang et al. 2019, https://arxiv.org/abs/1905.05934), with the diagonal
    of the empirical Fisher matrix instead of the Hessian's.
    """
    return part.rows().pow(2).mul(part.rows(gradients[part.name])).sum(1) / 2


FORMULAS: dict[str, tuple[tuple[PartKind, ...], Callable[[LayerPart, Tensors], torch.Tensor]]] = {
    "magnitude": (("filters", "inputs", "norm"), _squares),
    "l1": (("filters", "inputs", "norm"), _absolutes),
    "lamp": (("filters", "inputs", "norm"), _squares),
    "fpgm": (("filters",), _distances),
    # |gamma| of batch normalization (Liu et al. 2017, https://arxiv.org/abs/1708.06519)
    "bn_scale": (("norm",), _absolutes),
    "taylor": (("filters", "inputs", "norm"), _taylor),
    "hessian": (("filters", "inputs", "norm"), _hessian),
}
"""Criterion -> (the kinds of weights that it reads, the function that scores each slice)."""


def _lamp(total: torch.Tensor) -> torch.Tensor:
    """Returns each score divided by the sum of those not below it (Lee et al. 2021, LAMP).

    https://arxiv.org/abs/2010.07611: scores of different layers become comparable.
    """
    ascending, order = total.sort(stable=True)
    below = ascending.cumsum(0) - ascending
    scaled = ascending / (ascending.sum() - below).clamp(min=1e-12)
    return scaled.new_zeros(len(scaled)).scatter_(0, order, scaled)
