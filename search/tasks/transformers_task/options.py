"""The options of the task `transformers`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from paretune.spaces.params import Params

DOTTED = r"^[\w.]+:[\w.]+$"
"""Pattern of a dotted path."""


class TransformersParams(Params):
    """Options of transformers."""

    model: str = Field(
        description="local folder with config.json and .safetensors weights; without weights, "
        "the model starts at random"
    )
    data: str = Field(
        pattern=DOTTED,
        description="function that returns the data sets of dict examples: "
        '{"train": ..., "validation": ..., "test": ...}',
    )
    data_args: dict[str, Any] = Field({}, description="keyword arguments of that function")
    metric: str | None = Field(
        None,
        pattern=DOTTED,
        description="the compute_metrics of a Trainer: EvalPrediction -> {name: number}; "
        "default: the loss alone",
    )
    collator: str | None = Field(
        None,
        pattern=DOTTED,
        description="data collator; default: as a Trainer, padding with the folder's tokenizer",
    )
    loss: str | None = Field(
        None,
        pattern=DOTTED,
        description="the compute_loss_func of a Trainer, (outputs, labels) -> loss; default: "
        "the model's own loss",
    )
    batch: int = Field(16, ge=1, description="examples in a batch")
    architecture: str | None = Field(
        None,
        description="class of transformers, such as BertForTokenClassification; default: the "
        "one that config.json names",
    )
    keep: list[str] = Field(
        [],
        description="names of layers, with * for any text, that no pruning or quantization changes",
    )
