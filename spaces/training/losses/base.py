"""The interface of a loss, and what the losses of scores and of values share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from paretune.nests import Nest, leaves
from paretune.spaces.base import Data, InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.task import Per

if TYPE_CHECKING:
    import torch

LossFunction = Callable[[Nest, Nest], "torch.Tensor"]
"""(outputs, targets) of a batch -> the mean loss, a scalar."""

SCORED: tuple[str, ...] = ("class", "mask", "next")
"""Kinds of targets that name one class for each vector of outputs."""


class Loss(Protocol):
    """A loss that a recipe may choose. The class docstring's first line is its description."""

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    """Increased when the same parameters give other weights, so that no old stage is reused."""

    targets: ClassVar[tuple[str, ...]]
    """Kinds of targets that it fits: "class", "labels", "values", "mask", "boxes", "next"."""

    @staticmethod
    def build(params: Any, data: Data) -> LossFunction:
        """Returns the function that gives a batch's mean loss.

        Raises:
            InfeasibleCandidate: The parameters do not fit the data.
        """


def misfit(name: str, kinds: tuple[str, ...], kind: str | None) -> str | None:
    """Returns why a loss does not fit targets of a kind; None if it does, or if nobody can tell."""
    if kind is None or kind in kinds:
        return None
    return f"{name} compares {_words(kinds)}; the targets of this task are {WORDS[kind]}"


WORDS = {
    "class": "classes",
    "labels": "labels",
    "values": "values",
    "mask": "masks",
    "boxes": "boxes",
    "next": "next tokens",
}
"""Kind of targets -> its name in a sentence."""


def _words(kinds: tuple[str, ...]) -> str:
    *first, last = (WORDS[kind] for kind in kinds)
    return f"{', '.join(first)} or {last}" if first else last


def single_tensors(name: str, outputs: Nest, targets: Nest) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the only tensor of the outputs, and that of the targets.

    Raises:
        InfeasibleCandidate: There are several.
    """
    pair = []
    for role, nest in (("outputs", outputs), ("targets", targets)):
        tensors = leaves(nest)
        if len(tensors) != 1:
            raise InfeasibleCandidate(
                f"{name} compares one output with one target, and the batch has {len(tensors)} "
                f"{role}; type the path of a function of your own (outputs, targets)"
            )
        pair.append(tensors[0])
    return pair[0], pair[1]


def classes_second(outputs: torch.Tensor, targets: torch.Tensor, per: Per) -> torch.Tensor:
    """Returns scores [B, classes, ...]: positions have their classes last, all others second.

    Args:
        outputs: [B, classes], [B, classes, ...] or [B, ..., classes].
        targets: Classes [B, ...].
        per: What has one vector of scores; "any" goes by the shapes.
    """
    if outputs.ndim < 3:
        return outputs
    last = per == "position"
    if per == "any":
        second_fits = (outputs.shape[0], *outputs.shape[2:]) == targets.shape
        last = not second_fits and outputs.shape[:-1] == targets.shape
    return outputs.movedim(-1, 1) if last else outputs


def scores_and_classes(
    name: str, outputs: Nest, targets: Nest, per: Per
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns scores [B, classes, ...] and classes int64 [B, ...].

    Raises:
        InfeasibleCandidate: They do not fit together.
    """
    scores, classes = single_tensors(name, outputs, targets)
    scores = classes_second(scores, classes, per)
    fits = scores.ndim >= 2 and (scores.shape[0], *scores.shape[2:]) == classes.shape
    if not fits or classes.is_floating_point():
        raise InfeasibleCandidate(
            f"{name} needs one class for each vector of scores; the outputs are "
            f"{list(scores.shape)}, the targets {_dtype(classes)} {list(classes.shape)}"
        )
    return scores, classes.long()


def same_shapes(name: str, outputs: Nest, targets: Nest) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns outputs and targets of one shape; an axis of size 1 may be missing in either.

    Without this check, [B, 1] against [B] would broadcast to [B, B].

    Raises:
        InfeasibleCandidate: They differ in shape.
    """
    values, wanted = single_tensors(name, outputs, targets)
    if values.shape != wanted.shape:
        if [n for n in values.shape if n != 1] != [n for n in wanted.shape if n != 1]:
            raise InfeasibleCandidate(
                f"{name} needs outputs and targets of one shape; they are "
                f"{list(values.shape)} and {list(wanted.shape)}"
            )
        wanted = wanted.reshape(values.shape)
    return values, wanted.to(values.dtype)


def ignored_class(params: Any, data: Data) -> int | None:
    """Returns the class that does not count: that of the loss, or else that of the task."""
    return params.ignore if params.ignore is not None else data.task.ignore


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
