"""Weights of classes, typed or balanced by how often each class occurs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from paretune.nests import leaves
from paretune.spaces.base import Data, InfeasibleCandidate

if TYPE_CHECKING:
    import torch

ClassWeights = list[float] | Literal["balanced"] | None

WEIGHTS_TEXT = "weight of each class in order; balanced: the rarer a class, the larger its weight"

BATCH = 512
"""Examples in a batch when classes are counted."""


def weights_of(
    name: str, weights: ClassWeights, data: Data, ignore: int | None
) -> torch.Tensor | None:
    """Returns float32 [classes], or None if all classes weigh the same.

    Raises:
        InfeasibleCandidate: There are more or fewer weights than classes.
    """
    import torch

    if weights is None:
        return None
    if weights == "balanced":
        return balanced(data, ignore)
    classes = data.task.outputs.size
    if len(weights) != classes:
        raise InfeasibleCandidate(
            f"class_weights of {name} has {len(weights)} weights, and the task has {classes} "
            "classes; give one for each class in order"
        )
    return torch.tensor(weights, dtype=torch.float32)


def balanced(data: Data, ignore: int | None) -> torch.Tensor:
    """Returns examples / (classes * examples of the class), as scikit-learn's "balanced".

    The mean weight of a training example is 1. A class without examples has the weight 0.
    """
    counts = class_counts(data, ignore).double()
    present = counts.clamp(min=1)
    return ((counts > 0) * counts.sum() / (len(counts) * present)).float()


def class_counts(data: Data, ignore: int | None) -> torch.Tensor:
    """Returns how often each class occurs in the targets of the training part, [classes].

    Raises:
        InfeasibleCandidate: The targets are no classes.
    """
    import torch

    classes = data.task.outputs.size
    counts = torch.zeros(classes, dtype=torch.int64)
    with torch.random.fork_rng():  # a loader may draw its order from the global generator
        for _, targets in data.batches("train", BATCH):
            values = torch.cat([leaf.flatten() for leaf in leaves(targets)]).cpu()
            values = values if ignore is None else values[values != ignore]
            if values.is_floating_point() or _outside(values, classes):
                raise InfeasibleCandidate(
                    f"class_weights: balanced needs targets that are classes 0 to {classes - 1}"
                )
            counts += torch.bincount(values, minlength=classes)
    return counts


def _outside(values: torch.Tensor, classes: int) -> bool:
    return bool(len(values)) and (int(values.min()) < 0 or int(values.max()) >= classes)
