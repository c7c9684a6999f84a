"""What each cell of a detector learns: a heat map for each class, and the box of some cells."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from paretune.spaces.detection.cells import centres

SPREAD = 0.54
"""Share of a box, down and across, that learns (TTFNet, https://arxiv.org/abs/1909.00700)."""

TRUNCATED = 6.0
"""Standard deviations that fit into that share."""


@dataclass(frozen=True)
class CellTargets:
    """What the cells of one image learn.

    Attributes:
        heat: For each class, [classes, h, w]: 1 in the cell of an object's centre, and a Gaussian
            around it.
        box: The box that a cell learns, in pixels, [h, w, 4].
        weight: Weight of that box, [h, w]; 0 for cells that learn none. The weights of the cells
            of one box sum up to 1.
    """

    heat: torch.Tensor
    box: torch.Tensor
    weight: torch.Tensor


def cell_targets(
    boxes: torch.Tensor,
    labels: torch.Tensor,
    *,
    classes: int,
    grid: tuple[int, int],
    cell: tuple[float, float],
) -> CellTargets:
    """Returns what the cells of one image learn; where boxes overlap, the smaller one counts.

    Args:
        boxes: xmin, ymin, xmax, ymax in pixels, [N, 4].
        labels: Classes of the boxes, int64 [N], in [0, classes).
        classes: Number of classes.
        grid: Cells down and across.
        cell: Height and width of a cell in pixels.
    """
    boxes = boxes.to(torch.get_default_dtype())
    heat = boxes.new_zeros(classes, *grid)
    if not len(boxes):
        return CellTargets(heat, boxes.new_zeros(*grid, 4), boxes.new_zeros(grid))
    across = _gaussians(boxes[:, 0] / cell[1], boxes[:, 2] / cell[1], grid[1])
    down = _gaussians(boxes[:, 1] / cell[0], boxes[:, 3] / cell[0], grid[0])
    hot = down[:, :, None] * across[:, None, :]
    for label in set(labels.tolist()):
        heat[label] = hot[labels == label].amax(0)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    ranked = torch.where(hot > 0, area[:, None, None], torch.inf)
    smallest, learned = ranked.min(0)
    weight = hot.gather(0, learned[None])[0]
    total = weight.new_zeros(len(boxes)).index_add_(0, learned.flatten(), weight.flatten())
    weight = weight / total[learned].clamp(min=1e-9)
    return CellTargets(heat, boxes[learned], torch.where(smallest.isfinite(), weight, 0.0))


def _gaussians(low: torch.Tensor, high: torch.Tensor, count: int) -> torch.Tensor:
    """Returns a Gaussian for each interval, [N, count]: 1 in its middle cell, 0 outside of SPREAD.

    Args:
        low: Lower ends in cells, [N].
        high: Upper ends in cells, [N].
        count: Number of cells.
    """
    length = (high - low).clamp(min=1e-3) * SPREAD
    middle = ((low + high) / 2).floor().clamp(0, count - 1) + 0.5
    distance = (centres(count, low) - middle[:, None]).abs()
    hot = torch.exp(-0.5 * (distance / (length[:, None] / TRUNCATED)) ** 2)
    return torch.where(distance <= (length[:, None] / 2).clamp(min=1e-3), hot, 0.0)
