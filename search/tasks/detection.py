"""The task `detection`: boxes of objects with a class each, for the networks of `detector`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from paretune.nests import Nest
from paretune.objectives.metrics import DETECTION
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.scored_batches import predictions
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Outputs, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch

SIDES = 4
"""Values of a cell before its class logits: the distances to a box's sides."""


class DetectionParams(TaskParams):
    """Options of detection."""

    overlap: float = Field(
        0.6,
        gt=0,
        lt=1,
        description="of two boxes of a class with a larger intersection over union, the one with "
        "the lower score is dropped",
    )


class Detection(BuiltInTask):
    """Boxes {"boxes": float32 [n, 4], "labels": int64 [n]} of each image.

    The outputs are those of the family `detector`: float32 [B, 4 + classes, h, w].
    """

    name = "detection"
    metrics = DETECTION

    @property
    def outputs(self) -> Outputs:
        """Four sides of a box and a logit for each class, in each cell of a grid."""
        return Outputs(SIDES + self.facts.size, "cell")

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        assert self.facts.image is not None, "data with boxes has images"
        return self.facts.image

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the focal loss of the classes and the generalized IoU loss of the boxes."""
        from paretune.spaces.detection.cell_loss import cell_loss

        boxes, labels = zip(*((each["boxes"], each["labels"]) for each in targets), strict=True)
        return cell_loss(outputs, boxes, labels, self.image)

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns COCO's mean average precision at IoU 0.5, and from 0.5 to 0.95."""
        from paretune.objectives.metrics.detection import Boxes, detection_scores
        from paretune.spaces.detection.decoding import decoded

        detected, true = [], []
        for outputs, targets in predictions(predict, part):
            for each in decoded(outputs, self.image, overlap=self.params.overlap):
                detected.append(Boxes(each.boxes, each.labels, each.scores))
            true += [Boxes(each["boxes"], each["labels"]) for each in targets]
        return detection_scores(detected, true)


class DetectionEntry:
    """Boxes of objects with a class each: focal and IoU loss; COCO's mAP."""

    Params = DetectionParams
    targets: ClassVar[TargetKind] = "boxes"
    per: ClassVar[Per] = "cell"
    metrics: ClassVar[Mapping[str, Metric]] = DETECTION

    @staticmethod
    def make(params: DetectionParams, facts: TargetFacts) -> Task:
        """Returns the task for images with boxes of these classes."""
        return Detection(params, facts)
