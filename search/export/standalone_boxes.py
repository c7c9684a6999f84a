"""Finds boxes in the outputs of an exported detector, with NumPy alone.

`task_script` copies the part below the marker into load.py. So that part imports nothing of
Paretune. It repeats spaces/detection/decoding.py; a test compares both.
"""

from typing import Any

import numpy as np

NAMES: list[str] = ["an object"]
IMAGE, OVERLAP = (320, 320), 0.6

# -- copied from here ------------------------------------------------------------------------------


def decode(outputs: Any, threshold: float = 0.25, most: int = 100) -> Any:
    """Returns the objects of each image, the surest first.

    Each image has a dict: boxes [N, 4] as xmin, ymin, xmax, ymax in pixels, scores [N] and names.
    """
    return [objects_of(values, threshold, most) for values in outputs]


def objects_of(values: Any, threshold: float, most: int) -> Any:
    """Returns the objects of one image: values [4 + classes, h, w]."""
    boxes = boxes_of(values[:4]).reshape(-1, 4)
    scores = (1 / (1 + np.exp(-values[4:].astype(np.float64)))).reshape(len(values) - 4, -1)
    labels, cells = np.nonzero(scores >= threshold)
    order = np.argsort(-scores[labels, cells], kind="stable")
    kept: list[int] = []
    for i in order:
        rivals = [j for j in kept if labels[j] == labels[i]]
        if all(iou(boxes[cells[i]], boxes[cells[j]]) <= OVERLAP for j in rivals):
            kept.append(i)
        if len(kept) == most:
            break
    return {
        "boxes": boxes[cells[kept]].astype(np.float32),
        "scores": scores[labels[kept], cells[kept]].astype(np.float32),
        "names": [NAMES[label] if label < len(NAMES) else str(label) for label in labels[kept]],
    }


def boxes_of(sides: Any) -> Any:
    """Returns the box of each cell [h, w, 4]; sides [4, h, w] are logarithms of distances."""
    height, width = sides.shape[1:]
    high, wide = (
        2.0 ** max(0, np.ceil(np.log2(pixels / cells)))
        for pixels, cells in zip(IMAGE, (height, width), strict=True)
    )
    left, top, right, bottom = np.exp(np.minimum(sides.astype(np.float64), 8.0))
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    boxes = np.stack([(x - left) * wide, (y - top) * high, (x + right) * wide, (y + bottom) * high])
    limits = np.array([IMAGE[1], IMAGE[0]] * 2)[:, None, None]
    return np.clip(boxes, 0, limits).transpose(1, 2, 0)


def iou(one: Any, other: Any) -> float:
    """Returns the intersection over union of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    inside = float(np.prod(np.clip(high - low, 0, None)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return inside / (areas - inside) if areas > inside else 0.0
