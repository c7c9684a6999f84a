"""The loss of a detector: focal loss of the class scores, and generalized IoU of the boxes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from paretune.spaces.detection.cell_targets import CellTargets, cell_targets
from paretune.spaces.detection.cells import SIDES, cell_boxes, cell_size

BOX_WEIGHT = 5.0
"""Weight of the boxes beside the class scores, as in TTFNet."""


def cell_loss(
    outputs: torch.Tensor,
    boxes: Sequence[torch.Tensor],
    labels: Sequence[torch.Tensor],
    image: tuple[int, int],
) -> torch.Tensor:
    """Returns the mean loss of a batch for each object (TTFNet, https://arxiv.org/abs/1909.00700).

    Args:
        outputs: Outputs of a network of the family detector, [B, 4 + classes, h, w].
        boxes: xmin, ymin, xmax, ymax in pixels of each image, [N, 4].
        labels: Classes of the boxes of each image, int64 [N].
        image: Height and width of the images in pixels.
    """
    grid = (outputs.shape[2], outputs.shape[3])
    cell = cell_size(grid, image)
    classes = outputs.shape[1] - SIDES
    outputs = outputs.float()
    targets = [
        cell_targets(
            b.to(outputs.device), n.to(outputs.device), classes=classes, grid=grid, cell=cell
        )
        for b, n in zip(boxes, labels, strict=True)
    ]
    objects = max(1, sum(len(each) for each in boxes))
    scores = _heat_loss(outputs[:, SIDES:], torch.stack([t.heat for t in targets]))
    sides = _box_loss(cell_boxes(outputs[:, :SIDES], cell), targets)
    return (scores + BOX_WEIGHT * sides) / objects


def _heat_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Returns the sum of the focal loss with less weight near centres (Objects as Points, eq. 1).

    See https://arxiv.org/abs/1904.07850.
    """
    score = logits.sigmoid()
    hit = -((1 - score) ** 2) * functional.logsigmoid(logits)
    miss = -((1 - heat) ** 4) * score**2 * functional.logsigmoid(-logits)
    return torch.where(heat == 1, hit, miss).sum()


def _box_loss(boxes: torch.Tensor, targets: Sequence[CellTargets]) -> torch.Tensor:
    """Returns the sum over objects of 1 - GIoU, the weighted mean over the cells of each."""
    from torchvision.ops import generalized_box_iou_loss

    weight = torch.stack([t.weight for t in targets])
    learned = weight > 0
    wanted = torch.stack([t.box for t in targets])[learned]
    loss: torch.Tensor = generalized_box_iou_loss(boxes[learned], wanted)
    return (loss * weight[learned]).sum()
