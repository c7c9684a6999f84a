"""The task `multilabel`: several labels for each example, each of them 0 or 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from paretune.nests import Nest
from paretune.objectives.metrics import MULTILABEL
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.scored_batches import joined
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch


class Multilabel(BuiltInTask):
    """Labels [B, K] of 0 and 1, with one logit [B, K] for each label."""

    name = "multilabel"
    metrics = MULTILABEL

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean binary cross-entropy."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns macro F1, mean average precision, AUROC and the shares of correct labels."""
        from paretune.objectives.metrics.multilabel import multilabel_scores

        return multilabel_scores(*joined(predict, part))


class MultilabelEntry:
    """Several labels for each example: binary cross-entropy; F1, average precision, AUROC."""

    Params = TaskParams
    targets: ClassVar[TargetKind] = "labels"
    per: ClassVar[Per] = "example"
    metrics: ClassVar[Mapping[str, Metric]] = MULTILABEL

    @staticmethod
    def make(params: TaskParams, facts: TargetFacts) -> Task:
        """Returns the task for data with these labels."""
        return Multilabel(params, facts)
