"""The interface of a distillation: a loss against a teacher, and the batch it receives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from paretune.nests import Nest, leaves
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.task import Per, Task

if TYPE_CHECKING:  # torch takes seconds to import; `paretune check` reads every Params without it
    import torch

StageName = Literal["pretrain", "prune", "finetune", "quantize"]

STAGES: tuple[StageName, ...] = ("finetune", "quantize")
"""Default stages that learn from the teacher."""

BASELINE = "baseline"
"""Default teacher."""

TEMPERATURE_TEXT = "divides the logits of student and teacher; larger values soften them more"


class DistillationParams(Params):
    """Options of every distillation: the teacher, and the stages that learn from it."""

    teacher: str = Field(
        BASELINE,
        min_length=1,
        description="network to learn from: baseline, or a name from the section teachers",
    )
    stages: list[StageName] = Field(
        list(STAGES), min_length=1, description="training stages that learn from the teacher"
    )


class FeatureParams(DistillationParams):
    """Options of a distillation that compares feature maps."""

    layers: int = Field(
        3, ge=1, le=100, description="number of layer pairs to compare, counted from the last"
    )
    student_layers: list[str] | None = Field(
        None,
        min_length=1,
        description="names of the student layers to compare; default: teacher_layers, or automatic",
    )
    teacher_layers: list[str] | None = Field(
        None,
        min_length=1,
        description="names of the teacher layers to compare; default: student_layers, or automatic",
    )
    alpha: float = Field(
        0.0,
        ge=0,
        le=1,
        description="weight of the softened teacher logits; the labels have 1 - alpha",
    )
    temperature: float = Field(4.0, gt=0, le=100, description=TEMPERATURE_TEXT)

    @model_validator(mode="after")
    def _lists_are_of_one_length(self) -> FeatureParams:
        student, teacher = self.named_layers
        if len(student) != len(teacher):
            raise ValueError(
                "student_layers and teacher_layers form pairs, got "
                f"{len(student)} and {len(teacher)} layers"
            )
        return self

    @property
    def named_layers(self) -> tuple[list[str], list[str]]:
        """Named layers of student and teacher; empty if they are selected automatically."""
        student = self.student_layers or self.teacher_layers or []
        return student, self.teacher_layers or student


@dataclass(frozen=True)
class LayerPair:
    """A layer of the student and the layer of the teacher that it is compared with.

    Attributes:
        student: Name of the student's layer; "name#2" is its second call in one pass.
        teacher: Name of the teacher's layer.
        student_shape: Shape of the student's features: [B, C, H, W], [B, T, D] or [B, D].
        teacher_shape: Shape of the teacher's features, with as many dimensions.
    """

    student: str
    teacher: str
    student_shape: tuple[int, ...]
    teacher_shape: tuple[int, ...]


@dataclass(frozen=True)
class Bridge:
    """The layer pairs and adapters that a distillation prepares for a student and its teacher.

    Attributes:
        pairs: Layers with the features that the loss compares.
        adapters: One module for each pair, trained with the student and discarded afterwards;
            or empty.
    """

    pairs: tuple[LayerPair, ...]
    adapters: torch.nn.ModuleList


@dataclass(frozen=True)
class Comparison:
    """How the outputs of a student are compared with those of a teacher.

    Attributes:
        class_scores: Whether each vector of outputs holds logits of classes, which are softened.
            Other outputs are compared by their mean squared error.
        per: What has one vector of outputs.
        ignore: Class of targets whose vectors are left out; None if all count.
        distill: The task's own loss of (student, teacher, targets); where it gives None, the
            default applies.
    """

    class_scores: bool = True
    per: Per = "example"
    ignore: int | None = None
    distill: Callable[[Nest, Nest, Nest], torch.Tensor | None] = lambda student, teacher, targets: (
        None
    )


def comparison_of(task: Task, ignore: int | None) -> Comparison:
    """Returns how a task compares outputs; `ignore` is the class that its loss leaves out."""
    return Comparison(task.class_scores, task.outputs.per, ignore, task.distill)


@dataclass(frozen=True)
class Lesson:
    """One batch, as a distillation receives it.

    Attributes:
        label_loss: The loss against the targets, a scalar.
        student: Outputs of the student.
        teacher: Outputs of the teacher, in the same form.
        targets: Targets of the batch; for an image mixed from two, that with the larger share.
        student_features: Features of the student, one tensor for each pair of the bridge.
        teacher_features: Features of the teacher, one tensor for each pair.
        adapters: Adapters of the bridge.
        comparison: How the outputs are compared.
    """

    label_loss: torch.Tensor
    student: Nest
    teacher: Nest
    targets: Nest
    student_features: Sequence[torch.Tensor] = ()
    teacher_features: Sequence[torch.Tensor] = ()
    adapters: Sequence[torch.nn.Module] = ()
    comparison: Comparison = field(default_factory=Comparison)

    @property
    def student_logits(self) -> torch.Tensor:
        """Logits of the student, [B, classes], for losses of classes."""
        return _single(self.student)

    @property
    def teacher_logits(self) -> torch.Tensor:
        """Logits of the teacher, [B, classes], for losses of classes."""
        return _single(self.teacher)

    @property
    def labels(self) -> torch.Tensor:
        """Classes int64 [B], for losses of classes."""
        return _single(self.targets)


def _single(nest: Nest) -> torch.Tensor:
    tensors = leaves(nest)
    if len(tensors) != 1:
        raise InfeasibleCandidate(
            f"this distillation compares one output, and the network has {len(tensors)}; "
            "take the distillation logits"
        )
    tensor: torch.Tensor = tensors[0]
    return tensor


class Distillation(Protocol):
    """A loss against a teacher. The class docstring's first line is its description.

    Optional members:

    * `prepare(params, student, teacher, example) -> Bridge`, for a loss that compares features. It
      raises InfeasibleCandidate if the two networks cannot be compared.
    * `targets: ClassVar[tuple[str, ...]]`: the kinds of targets that it needs, as for a loss.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    """Increased when the same parameters give other weights, so that no old stage is reused."""

    @staticmethod
    def loss(params: Any, lesson: Lesson) -> torch.Tensor:
        """Returns the scalar to minimize instead of the lesson's `label_loss`."""
