"""The task `segmentation`: one class for each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest
from paretune.objectives.metrics import SEGMENTATION
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.scored_batches import predictions
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Outputs, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch

NEVER = -100
"""A class that no mask has; the losses leave it out."""


class SegmentationParams(TaskParams):
    """Options of segmentation."""

    ignore: int | None = Field(
        None, ge=0, le=255, description="value of mask pixels that neither loss nor scores count"
    )


class Segmentation(BuiltInTask):
    """Masks int64 [B, H, W], with logits [B, classes, H, W]."""

    name = "segmentation"
    metrics = SEGMENTATION
    class_scores = True

    @property
    def outputs(self) -> Outputs:
        """One logit for each class at each pixel."""
        return Outputs(self.facts.size, "pixel")

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean cross-entropy of the pixels that count; 0 if none counts."""
        from torch.nn import functional

        ignore = NEVER if self.ignore is None else self.ignore
        loss = functional.cross_entropy(outputs, targets, ignore_index=ignore)
        return loss.where((targets != ignore).any(), 0.0)  # torch gives NaN

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns mean IoU, Dice and pixel accuracy."""
        from paretune.objectives.metrics.segmentation import pixel_counts, segmentation_scores

        classes = self.facts.size
        counts = [
            pixel_counts(outputs.argmax(1), masks, classes, self.ignore)
            for outputs, masks in predictions(predict, part)
        ]
        return segmentation_scores(counts)


class SegmentationEntry:
    """One class for each pixel: cross-entropy; mean IoU, Dice, pixel accuracy."""

    Params = SegmentationParams
    targets: ClassVar[TargetKind] = "mask"
    per: ClassVar[Per] = "pixel"
    metrics: ClassVar[Mapping[str, Metric]] = SEGMENTATION

    @staticmethod
    def make(params: SegmentationParams, facts: TargetFacts) -> Task:
        """Returns the task for data with masks of these classes."""
        return Segmentation(params, facts)
