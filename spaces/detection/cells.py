"""The grid of a detector's output: cells, their centres, and the boxes that they predict."""

from __future__ import annotations

import math

import torch

SIDES = 4
"""Values of a cell before its class logits: logarithms of the distances to a box's four sides."""

LONGEST = 8.0
"""Limit of such a logarithm: exp(8) is 2981 cells. It keeps the first steps of training finite."""


def cell_size(grid: tuple[int, int], image: tuple[int, int]) -> tuple[float, float]:
    """Returns height and width of a cell in pixels: powers of two, as the network halves images.

    Args:
        grid: Cells down and across, at least two. The network rounds up where a cell does not
            divide the image, so a cell has at least as many pixels as the ratio of the sizes.
        image: Height and width of the images in pixels.
    """
    height, width = (
        2.0 ** max(0, math.ceil(math.log2(side / cells)))
        for side, cells in zip(image, grid, strict=True)
    )
    return height, width


def cell_boxes(sides: torch.Tensor, cell: tuple[float, float]) -> torch.Tensor:
    """Returns the box of each cell as [..., h, w, 4]: xmin, ymin, xmax, ymax in pixels.

    Args:
        sides: Logarithms of the distances to left, top, right and bottom in cells, [..., 4, h, w].
        cell: Height and width of a cell in pixels.
    """
    left, top, right, bottom = sides.clamp(max=LONGEST).exp().unbind(-3)
    y, x = (centres(n, sides) for n in sides.shape[-2:])
    y = y[:, None]
    box = torch.stack([x - left, y - top, x + right, y + bottom], -1)
    return box * torch.tensor([cell[1], cell[0]] * 2, device=sides.device, dtype=sides.dtype)


def centres(count: int, like: torch.Tensor) -> torch.Tensor:
    """Returns the centres of cells along one axis, in cells: 0.5, 1.5, ..."""
    return torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
