"""RegNet X and Y, by published size or by the parameters of their design space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from paretune.spaces.architecture.image_params import StemParams

if TYPE_CHECKING:
    import torch

WIDEST = 8192
"""Largest number of channels of a block."""

DESIGN = ("depth", "w_0", "w_a", "w_m", "group_width")

X: dict[str, tuple[int, int, float, float, int]] = {
    "200mf": (13, 24, 36.44, 2.49, 8),
    "400mf": (22, 24, 24.48, 2.54, 16),
    "600mf": (16, 48, 36.97, 2.24, 24),
    "800mf": (16, 56, 35.73, 2.28, 16),
    "1_6gf": (18, 80, 34.01, 2.25, 24),
    "3_2gf": (25, 88, 26.31, 2.25, 48),
}
"""Size -> depth, w_0, w_a, w_m, group width (https://arxiv.org/abs/2003.13678, appendix)."""

Y: dict[str, tuple[int, int, float, float, int]] = {
    "200mf": (13, 24, 36.44, 2.49, 8),
    "400mf": (16, 48, 27.89, 2.09, 8),
    "600mf": (15, 48, 32.54, 2.32, 16),
    "800mf": (14, 56, 38.84, 2.4, 16),
    "1_6gf": (27, 48, 20.71, 2.65, 24),
    "3_2gf": (21, 80, 42.63, 2.66, 24),
}
"""The same for RegNet Y, which has squeeze-excitation."""


class RegNet:
    """RegNet X or Y by size, or by its design parameters (https://arxiv.org/abs/2003.13678).

    Block j has w_0 + w_a * j channels, rounded to the nearest w_0 * w_m ** k and to a multiple of
    8. Blocks of one width form a stage. A design parameter replaces that of the published size.
    """

    version = 1

    class Params(StemParams):
        """Options of regnet."""

        kind: Literal["x", "y"] = Field(
            "y", description="RegNet X, or RegNet Y with squeeze-excitation"
        )
        size: Literal["200mf", "400mf", "600mf", "800mf", "1_6gf", "3_2gf"] = Field(
            "200mf", description="published network, named by its multiply-adds on ImageNet"
        )
        depth: int | None = Field(
            None, ge=1, le=64, description="number of blocks; default: from `size`"
        )
        w_0: int | None = Field(
            None,
            ge=8,
            le=512,
            multiple_of=8,
            description="channels of the first block; default: from `size`",
        )
        w_a: float | None = Field(
            None,
            ge=0,
            le=512,
            description="channels that each block adds to the one before; default: from `size`",
        )
        w_m: float | None = Field(
            None,
            ge=1.1,
            le=8,
            description="width of a stage divided by that of the stage before; default: from "
            "`size`",
        )
        group_width: int | None = Field(
            None,
            ge=1,
            le=512,
            description="channels per group of the convolutions; default: from `size`",
        )

        @model_validator(mode="after")
        def _not_too_wide(self) -> RegNet.Params:
            depth, w_0, w_a, *_ = self.design()
            if w_0 + w_a * (depth - 1) > WIDEST:
                raise ValueError(
                    f"the last block would have {w_0 + w_a * (depth - 1):.0f} channels, {WIDEST} "
                    "is the most; give less depth or w_a"
                )
            return self

        def design(self) -> tuple[Any, ...]:
            """Returns depth, w_0, w_a, w_m, group width; those of `size` if they are None."""
            published = (X if self.kind == "x" else Y)[self.size]
            chosen = (getattr(self, name) for name in DESIGN)
            return tuple(p if c is None else c for c, p in zip(chosen, published, strict=True))

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes]."""
        from torchvision.models.regnet import BlockParams
        from torchvision.models.regnet import RegNet as Network

        from paretune.spaces.architecture.fitting import fit_channels, remove_strides

        depth, w_0, w_a, w_m, group_width = params.design()
        blocks = BlockParams.from_init_params(
            depth, w_0, w_a, w_m, group_width, se_ratio=0.25 if params.kind == "y" else None
        )
        network = Network(blocks, num_classes=classes)
        fit_channels(network, shape[0], keep=False)
        if params.small(shape):
            remove_strides(network.stem, network.trunk_output[0])
        return network  # type: ignore[no-any-return]
