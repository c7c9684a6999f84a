"""A transformer encoder that classifies texts, with ALBERT's ways to save weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class TextTransformer:
    """Transformer encoder for texts, with ALBERT's shared layers and factorized embeddings."""

    version = 1
    takes = "text"

    class Params(Params):
        """Options of text_transformer."""

        layers: int = Field(2, ge=1, le=48, description="number of encoder layers")
        width: int = Field(128, ge=4, le=4096, description="channels of each token")
        heads: int = Field(
            4, ge=1, le=64, description="attention heads of a layer; must divide width"
        )
        mlp_ratio: float = Field(
            4.0, ge=0.25, le=8, description="hidden units of the MLPs, as a multiple of width"
        )
        embedding: int | None = Field(
            None,
            ge=4,
            le=4096,
            description="channels of the token embeddings, which a linear layer projects to width "
            "(factorized as in ALBERT); default: width, without projection",
        )
        share: Literal["none", "all"] = Field(
            "none", description="weights that layers share; all applies one layer `layers` times"
        )
        pooling: Literal["mean", "cls"] = Field(
            "mean", description="input of the classifier: mean of the tokens, or the first token"
        )
        dropout: float = Field(
            0.1, ge=0, lt=1, description="share of units dropped in every layer, in training only"
        )

        @model_validator(mode="after")
        def _heads_divide_the_width(self) -> TextTransformer.Params:
            if self.width % self.heads:
                divisors = [h for h in range(1, self.width + 1) if self.width % h == 0]
                nearest = min(divisors, key=lambda h: (abs(h - self.heads), h))
                raise ValueError(
                    f"heads must divide the width: {self.width} is not a multiple of {self.heads}; "
                    f"{nearest} would fit"
                )
            return self

    @staticmethod
    def build(params: Params, shape: tuple[int, int], classes: int) -> torch.nn.Module:
        """Returns a network: token ids int64 [B, length] -> [B, classes]."""
        from paretune.spaces.architecture.text_encoder import TextEncoder

        length, vocabulary = shape
        return TextEncoder(
            length=length,
            vocabulary=vocabulary,
            classes=classes,
            layers=params.layers,
            width=params.width,
            heads=params.heads,
            hidden=max(1, round(params.width * params.mlp_ratio)),
            embedding=params.embedding,
            shared=params.share == "all",
            pooling=params.pooling,
            dropout=params.dropout,
        )
