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

    For images of 28 to 64 pixels the patch is what a stem is elsewhere: 4 gives 49 to 256 tokens.
    patch 16, depth 12, heads 12, width 768, pool "token" on 224 pixels is the paper's ViT-B/16.
    """

    version = 1

    class Params(ImageParams):
        """Options of vit."""

        patch: int = Field(4, ge=1, le=64, description="side of a patch, pixels")
        depth: int = Field(6, ge=1, le=64, description="encoder blocks")
        heads: int = Field(3, ge=1, le=64, description="attention heads; divide the width")
        width: int = Field(192, ge=4, le=4096, description="channels of a token")
        mlp_ratio: float = Field(4.0, gt=0, le=16, description="hidden units of an MLP by width")
        dropout: float = Field(0.0, ge=0, lt=1, description="in training")
        pool: Literal["mean", "token"] = Field(
            "mean", description="what is classified: the mean of all tokens, or one of its own"
        )

        @model_validator(mode="after")
        def _heads_divide(self) -> ViT.Params:
            if self.width % self.heads:
                raise ValueError(
                    f"heads must divide width: {self.width} is no multiple of {self.heads}; "
                    f"give width: {-(-self.width // self.heads) * self.heads}"
                )
            return self

        @model_validator(mode="after")
        def _patch_divides(self) -> ViT.Params:
            if self.resolution is not None and self.resolution % self.patch:
                raise ValueError(
                    f"patch must divide resolution: {self.resolution} is no multiple of "
                    f"{self.patch}"
                )
            return self

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """[B, C, H, W] -> [B, classes].

        Raises:
            InfeasibleCandidate: The patch does not divide the image.
        """
        from paretune.spaces.architecture.vision_transformer import VisionTransformer

        channels, height, width = shape
        if height % params.patch or width % params.patch:
            raise InfeasibleCandidate(
                f"vit: the patch must divide the image: {height}x{width} pixels are no multiple "
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
