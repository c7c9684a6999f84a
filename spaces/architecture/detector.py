"""A small one-stage detector without anchors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from paretune.inputs import Shape, image_shape
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch

DEEPEST = 32
"""The backbone halves an image until one of its cells covers this many pixels a side."""


class Detector:
    """One-stage detector without anchors: for each cell, distances to the box's sides and scores.

    The cells and the loss are those of TTFNet (https://arxiv.org/abs/1909.00700), the top-down path
    is that of https://arxiv.org/abs/1612.03144. `spaces/detection` has its loss and its decoding.
    """

    version = 1
    gives = "cell"

    class Params(Params):
        """Options of detector."""

        width: int = Field(
            16, ge=4, le=512, description="channels at half size; each further halving doubles them"
        )
        depth: int = Field(1, ge=1, le=16, description="residual blocks after each halving")
        widest: int = Field(256, ge=4, le=4096, description="limit of the backbone's channels")
        neck: int = Field(
            64, ge=4, le=1024, description="channels of the top-down path and of the head"
        )
        head: int = Field(1, ge=0, le=8, description="3x3 convolutions before the last layer")
        kind: Literal["plain", "separable"] = Field(
            "plain",
            description="residual blocks of two 3x3 convolutions, or inverted residuals with "
            "depthwise convolutions",
        )
        stride: Literal[4, 8, 16] = Field(
            8, description="side of an output cell in pixels; small objects need 4"
        )

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes, H / stride, W / stride].

        Sizes that are no multiple of the stride are rounded up. The first 4 values of a cell are
        logarithms of the distances from its centre to a box's left, top, right and bottom side, in
        cells. The others are logits of the classes: `classes` is 4 more than their number.

        Raises:
            InfeasibleCandidate: Height or width has fewer than two cells.
        """
        from paretune.spaces.architecture.detector_network import DetectorNetwork

        channels, height, width = image_shape(shape)
        if min(height, width) < 2 * params.stride:
            raise InfeasibleCandidate(
                f"detector with stride {params.stride} needs {2 * params.stride}x"
                f"{2 * params.stride} pixels, got {height}x{width}"
            )
        return DetectorNetwork(
            channels,
            classes,
            widths=_widths(params, min(height, width)),
            depth=params.depth,
            separable=params.kind == "separable",
            halvings=params.stride.bit_length() - 1,
            neck=params.neck,
            head=params.head,
        )


def _widths(params: Detector.Params, side: int) -> list[int]:
    """Returns the channels after each halving, from half size down to at least the output's."""
    widths: list[int] = []
    scale = 1
    while scale < params.stride or (scale < DEEPEST and side // scale >= 4):
        widths.append(min(params.widest, params.width * 2 ** len(widths)))
        scale *= 2
    return widths
