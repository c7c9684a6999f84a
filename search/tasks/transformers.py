"""The task of a Hugging Face model folder and the ingredients of a Trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from paretune.search.tasks.target_facts import TargetKind
from paretune.search.tasks.transformers_task.options import TransformersParams
from paretune.task import Metric, Per

if TYPE_CHECKING:
    from paretune.search.tasks.transformers_task.task import TransformersTask


class TransformersEntry:
    """A Hugging Face model folder, data sets, and the compute_metrics of a Trainer."""

    Params = TransformersParams
    provides_data = True
    factory = "paretune.search.tasks.transformers:transformers_task"
    shown = "model"
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {}


def transformers_task(**options: Any) -> TransformersTask:
    """Returns the task of a model folder and its data sets.

    Args:
        options: The options of `TransformersParams`.

    Raises:
        UserError: transformers is not installed, or the folder or the data cannot be used.
    """
    from paretune.search.tasks.transformers_task.task import TransformersTask

    return TransformersTask(TransformersParams.model_validate(options))
