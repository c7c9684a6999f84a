"""Boxes from the outputs of a detector, with non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.spaces.detection.cells import SIDES, cell_boxes, cell_size

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Detections:
    """Objects that a detector reports in one image, the surest first.

    Attributes:
        boxes: xmin, ymin, xmax, ymax in pixels, float32 [N, 4], inside the image.
        scores: Score of each, in [0, 1], float32 [N].
        labels: Class of each, int64 [N].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


def decoded(
    outputs: Any,
    image: tuple[int, int],
    *,
    threshold: float = 0.01,
    overlap: float = 0.5,
    most: int = 100,
) -> list[Detections]:
    """Returns the objects of each image.

    Args:
        outputs: Outputs of a network of the family detector, array or tensor
            [B, 4 + classes, h, w].
        image: Height and width of the images in pixels.
        threshold: Lowest score of a reported object. COCO's metric ranks even weak ones.
        overlap: Of two boxes of a class with a larger IoU, the one with the lower score goes.
        most: Largest number of objects of an image; COCO's metric counts 100.
    """
    import torch

    values = torch.as_tensor(outputs, dtype=torch.float32)
    cell = cell_size((values.shape[2], values.shape[3]), image)
    boxes = cell_boxes(values[:, :SIDES], cell).flatten(1, 2)
    scores = values[:, SIDES:].sigmoid().flatten(2)
    limit = torch.tensor([image[1], image[0]] * 2, dtype=torch.float32)
    boxes = torch.minimum(boxes.clamp(min=0), limit)
    return [_image(b, s, threshold, overlap, most) for b, s in zip(boxes, scores, strict=True)]


def _image(boxes: Any, scores: Any, threshold: float, overlap: float, most: int) -> Detections:
    """Returns the objects of one image: boxes [cells, 4], scores [classes, cells]."""
    from torchvision.ops import batched_nms

    labels, cells = (scores >= threshold).nonzero(as_tuple=True)
    sure = scores[labels, cells]
    kept = batched_nms(boxes[cells], sure, labels, overlap)[:most]
    return Detections(boxes[cells[kept]].numpy(), sure[kept].numpy(), labels[kept].numpy())
