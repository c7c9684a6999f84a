"""A causal transformer that predicts the next token, as GPT does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from paretune.inputs import TextShape
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class TextDecoder:
    """Causal transformer for language models: each position sees the tokens before it."""

    version = 1
    takes = "text"
    gives = "position"

    class Params(Params):
        """Options of text_decoder."""

        layers: int = Field(2, ge=1, le=48, description="number of decoder layers")
        width: int = Field(128, ge=4, le=4096, description="channels of each token")
        heads: int = Field(
            4, ge=1, le=64, description="attention heads of a layer; must divide width"
        )
        mlp_ratio: float = Field(
            4.0, ge=0.25, le=8, description="hidden units of the MLPs, as a multiple of width"
        )
        tied: bool = Field(
            False, description="use the token embedding's weights as the weights of the last layer"
        )
        dropout: float = Field(
            0.0, ge=0, lt=1, description="share of units dropped in every layer, in training only"
        )

        @model_validator(mode="after")
        def _heads_divide_the_width(self) -> TextDecoder.Params:
            if self.width % self.heads:
                divisors = [h for h in range(1, self.width + 1) if self.width % h == 0]
                nearest = min(divisors, key=lambda h: (abs(h - self.heads), h))
                raise ValueError(
                    f"heads must divide the width: {self.width} is not a multiple of {self.heads}; "
                    f"{nearest} would fit"
                )
            return self

    @staticmethod
    def build(params: Params, shape: TextShape, classes: int) -> torch.nn.Module:
        """Returns a network: token ids int64 [B, length] -> [B, length, classes].

        Raises:
            InfeasibleCandidate: The weights cannot be tied.
        """
        from paretune.spaces.architecture.causal_transformer import CausalTransformer

        length, vocabulary = shape
        if params.tied and classes != vocabulary:
            raise InfeasibleCandidate(
                f"text_decoder with tied: true gives a score for each of the {vocabulary} tokens, "
                f"but the task needs {classes} values; leave tied out"
            )
        return CausalTransformer(
            length=length,
            vocabulary=vocabulary,
            classes=classes,
            layers=params.layers,
            width=params.width,
            heads=params.heads,
            hidden=max(1, round(params.width * params.mlp_ratio)),
            tied=params.tied,
            dropout=params.dropout,
        )
