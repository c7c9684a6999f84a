"""Vision transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    import torch


class ViT:
    """Vision transformer by patch, depth, heads and width (https://arxiv.org/abs/2010.11929).

    On images of 28 to 64 pixels, patch 4 gives 49 to 256 tokens; it takes the role of a stem.
    patch 16, depth 12, heads 12, width 768, pool "token" on 224 pixels is the paper's ViT-B/16.
    """

    version = 2  # the position embeddings had another name in version 1

    class Params(ImageParams):
        """Options of vit."""

        patch: int = Field(
            4, ge=1, le=64, description="side of a patch in pixels; must divide the image"
        )
        depth: int = Field(6, ge=1, le=64, description="number of encoder blocks")
        heads: int = Field(
            3, ge=1, le=64, description="attention heads of a block; must divide width"
        )
        width: int = Field(192, ge=4, le=4096, description="channels of each token")
        mlp_ratio: float = Field(
            4.0, gt=0, le=16, description="hidden units of the MLPs, as a multiple of width"
        )
        dropout: float = Field(
            0.0, ge=0, lt=1, description="share of units dropped in every block, in training only"
        )
        pool: Literal["mean", "token"] = Field(
            "mean",
            description="input of the classifier: mean of all tokens, or an additional class token",
        )

        @model_validator(mode="after")
        def _heads_divide(self) -> ViT.Params:
            if self.width % self.heads:
                raise ValueError(
                    f"heads must divide width: {self.width} is not a multiple of {self.heads}; "
                    f"give width: {-(-self.width // self.heads) * self.heads}"
                )
            return self

        @model_validator(mode="after")
        def _patch_divides(self) -> ViT.Params:
            if self.resolution is not None and self.resolution % self.patch:
                raise ValueError(
                    f"patch must divide resolution: {self.resolution} is not a multiple of "
                    f"{self.patch}"
                )
            return self

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        Raises:
            InfeasibleCandidate: The patch does not divide the image.
        """
        from paretune.spaces.architecture.vision_transformer import VisionTransformer

        channels, height, width = shape
        if height % params.patch or width % params.patch:
            raise InfeasibleCandidate(
                f"vit: the patch must divide the image: {height}x{width} pixels are not a multiple "
                f"of {params.patch}; give a resolution that is"
            )
        return VisionTransformer(
            channels,
            (height // params.patch, width // params.patch),
            classes,
            patch=params.patch,
            depth=params.depth,
            heads=params.heads,
            width=params.width,
            hidden=max(1, round(params.width * params.mlp_ratio)),
            dropout=params.dropout,
            token=params.pool == "token",
        )
