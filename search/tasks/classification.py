"""The task `classification`: one class for each example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from paretune.nests import Nest
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Per, Task

if TYPE_CHECKING:
    import torch


class Classification(BuiltInTask):
    """Classification with logits [B, classes] and labels int64 [B].

    The objective `accuracy` scores it.
    """

    name = "classification"
    class_scores = True

    def identity(self) -> Mapping[str, Any]:
        """Returns nothing without options: studies of classification have always had no task."""
        return super().identity() if self.params != TaskParams() else {}

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean cross-entropy."""
        from torch.nn import functional

        return functional.cross_entropy(outputs, targets)

    def summed_loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the summed cross-entropy, for means over batches of different sizes."""
        from torch.nn import functional

        return functional.cross_entropy(outputs, targets, reduction="sum")

    def correct(self, outputs: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns the number of examples whose class has the largest logit."""
        correct: torch.Tensor = (outputs.argmax(1) == targets).sum()
        return correct


class ClassificationEntry:
    """One class for each example: cross-entropy, accuracy."""

    Params = TaskParams
    targets: ClassVar[TargetKind] = "class"
    per: ClassVar[Per] = "example"
    metrics: ClassVar[Mapping[str, Metric]] = Classification.metrics

    @staticmethod
    def make(params: TaskParams, facts: TargetFacts) -> Task:
        """Returns the task for data with these classes."""
        return Classification(params, facts)


def classification(classes: int, names: Sequence[str] = ()) -> Task:
    """Returns the task without options, as in a study that names no task."""
    return ClassificationEntry.make(TaskParams(), TargetFacts("class", classes, tuple(names)))
