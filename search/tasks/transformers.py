"""The task of a Hugging Face model folder and the ingredients of a Trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from paretune.search.tasks.target_facts import TargetKind
from paretune.spaces.params import Params
from paretune.task import Metric, Per

if TYPE_CHECKING:
    from paretune.search.tasks.transformers_task.task import TransformersTask

DOTTED = r"^[\w.]+:[\w.]+$"


class TransformersEntry:
    """A Hugging Face model folder, data sets, and the compute_metrics of a Trainer."""

    provides_data = True
    factory = "paretune.search.tasks.transformers:transformers_task"
    shown = "model"
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {}

    class Params(Params):
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
            description="names of layers, with * for any text, that no pruning or quantization "
            "changes",
        )


def transformers_task(**options: Any) -> TransformersTask:
    """Returns the task of a model folder and its data sets.

    Args:
        options: The options of `TransformersEntry.Params`.

    Raises:
        UserError: transformers is not installed, or the folder or the data cannot be used.
    """
    from paretune.search.tasks.transformers_task.task import TransformersTask

    return TransformersTask(TransformersEntry.Params.model_validate(options))
