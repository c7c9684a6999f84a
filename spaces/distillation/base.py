"""What a distillation is: a loss against a teacher, and what it is told of each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from paretune.spaces.params import Params

if TYPE_CHECKING:  # torch takes seconds to import; `paretune check` reads every Params without it
    import torch

StageName = Literal["pretrain", "prune", "finetune", "quantize"]

STAGES: tuple[StageName, ...] = ("finetune", "quantize")
"""The stages that learn from the teacher where a distillation does not say."""

BASELINE = "baseline"
"""The teacher where a distillation does not say."""


class DistillationParams(Params):
    """Options that every distillation has: who teaches, and in which stages."""

    teacher: str = Field(
        BASELINE, min_length=1, description="the baseline, or a name from the section teachers"
    )
    stages: list[StageName] = Field(
        list(STAGES), min_length=1, description="training stages that learn from the teacher"
    )


class FeatureParams(DistillationParams):
    """Options of a distillation that compares feature maps."""

    layers: int = Field(
        3, ge=1, le=100, description="matching pairs of layers to compare, counted from the last"
    )
    student_layers: list[str] | None = Field(
        None, min_length=1, description="layers by name in place of those found"
    )
    teacher_layers: list[str] | None = Field(
        None, min_length=1, description="the teacher's; the same names where only one list is given"
    )
    alpha: float = Field(
        0.0, ge=0, le=1, description="weight of the teacher's softened logits beside the labels"
    )
    temperature: float = Field(4.0, gt=0, le=100, description="softens both distributions")

    @model_validator(mode="after")
    def _lists_are_of_one_length(self) -> FeatureParams:
        ours, theirs = self.names
        if len(ours) != len(theirs):
            raise ValueError(
                f"student_layers and teacher_layers go in pairs, got {len(ours)} and {len(theirs)}"
            )
        return self

    @property
    def names(self) -> tuple[list[str], list[str]]:
        """The named layers of student and teacher; empty where they are to be found."""
        ours = self.student_layers or self.teacher_layers or []
        return ours, self.teacher_layers or ours


@dataclass(frozen=True)
class LayerPair:
    """A layer of the student and the layer of the teacher that it is compared with.

    Attributes:
        student: Name of the student's layer; "name#2" is its second call in one pass.
        teacher: Name of the teacher's.
        ours: Shape of the student's features: [B, C, H, W], [B, T, D] or [B, D].
        theirs: Shape of the teacher's, with as many dimensions.
    """

    student: str
    teacher: str
    student_shape: tuple[int, ...]
    teacher_shape: tuple[int, ...]


@dataclass(frozen=True)
class Bridge:
    """What a distillation prepared once for a student and its teacher.

    Attributes:
        pairs: The layers whose outputs the loss is given.
        adapters: For each pair what is learnt beside the student and thrown away with it, or empty.
    """

    pairs: tuple[LayerPair, ...]
    adapters: torch.nn.ModuleList


@dataclass(frozen=True)
class Lesson:
    """One batch as a distillation sees it.

    Attributes:
        hard: The loss against the labels, a scalar.
        logits: Of the student, [B, classes].
        taught: Logits of the teacher, [B, classes].
        labels: Classes int64 [B]; of an image mixed from two, the one with the larger share.
        student: The student's features for each pair of the bridge.
        teacher: The teacher's.
        adapters: The bridge's.
    """

    label_loss: torch.Tensor
    student_logits: torch.Tensor
    teacher_logits: torch.Tensor
    labels: torch.Tensor
    student_features: Sequence[torch.Tensor] = ()
    teacher_features: Sequence[torch.Tensor] = ()
    adapters: Sequence[torch.nn.Module] = ()


class Distillation(Protocol):
    """A loss against a teacher. The class docstring's first line is its description.

    One that looks into the networks also has
    `prepare(params, student, teacher, example) -> Bridge`, which raises InfeasibleCandidate when
    the two cannot be compared.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    """Raised when the same parameters give other weights: old stages are then not reused."""

    @staticmethod
    def loss(params: Any, lesson: Lesson) -> torch.Tensor:
        """What is minimized in place of the lesson's `hard` loss, a scalar."""
