"""Any Hugging Face sequence classifier, from a configuration or a local checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from paretune.inputs import TextShape
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class Transformers:
    """A Hugging Face sequence classifier: albert, deberta-v2, bert, ... (extra transformers)."""

    version = 1
    primary = "model"
    takes = "text"

    class Params(Params):
        """Options of transformers."""

        model: str = Field(description="model type: albert, deberta-v2, bert, distilbert, ...")
        config: dict[str, Any] = Field(
            {}, description="values of the configuration: hidden_size, num_hidden_layers, ..."
        )
        checkpoint: str | None = Field(
            None,
            description="local folder with config.json and .safetensors weights; nothing is "
            "downloaded or unpickled",
        )

        @model_validator(mode="after")
        def _one_source(self) -> Transformers.Params:
            if self.checkpoint is not None and self.config:
                raise ValueError("a checkpoint contains its config; give one of the two")
            return self

    @staticmethod
    def build(params: Params, shape: TextShape, classes: int) -> torch.nn.Module:
        """Returns a network: token ids int64 [B, length] -> [B, classes].

        Raises:
            UnknownName: transformers has no sequence classifier of this type.
            InfeasibleCandidate: The package is missing, the configuration does not fit, or the
                checkpoint cannot be read.
        """
        from paretune.spaces.architecture.sequence_classifier import from_checkpoint, from_config

        if params.checkpoint is not None:
            return from_checkpoint(params.model, params.checkpoint, shape, classes)
        return from_config(params.model, params.config, shape, classes)
