"""The interface of tasks: what a network's outputs mean, how they are trained and scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from paretune.nests import Nest

if TYPE_CHECKING:  # heavy, and not needed to name a task
    import numpy as np
    import torch

Per = Literal["example", "position", "pixel", "cell", "any"]
"""What has one vector of outputs: [B, n], [B, T, n], [B, n, H, W] (pixels, or cells of a coarser
grid); "any" is not checked."""

TargetKind = Literal["class", "labels", "values", "mask", "boxes", "next"]
"""What one example is compared with: a class; 0 or 1 for each label; numbers; a class for each
pixel; boxes with a class each; or the next token at each position."""


@dataclass(frozen=True)
class Outputs:
    """The outputs that a task needs from a network.

    Attributes:
        size: Values in a vector: classes, labels, target values. 0 if the network decides.
        per: What has one vector.
    """

    size: int
    per: Per = "example"


def outputs_of(value: Outputs | int) -> Outputs:
    """Returns outputs; a number n means one vector of n values for each example."""
    return Outputs(value) if isinstance(value, int) else value


@dataclass(frozen=True)
class Metric:
    """A score of a task.

    Attributes:
        unit: "fraction" for a share in [0, 1], which is shown in per cent; "" for a plain number.
        better: Which direction is better.
        about: What it is, in a few words.
    """

    unit: str
    better: Literal["lower", "higher"]
    about: str = ""


Summary = Callable[[Any], float]
"""Per-example values -> the score. Called with all of them, and with bootstrap samples of them."""

Weighted = Callable[["np.ndarray"], float]
"""Weights [N] of the examples, which sum up to N -> the score; a fast form of `Summary`."""


@dataclass(frozen=True)
class Scored:
    """A score of a task over N examples, in a form that its interval follows from.

    One of the fields after `count` is given; with none of them, the score has no interval.

    Attributes:
        value: The score.
        count: Number of examples N.
        correct: Whether each example is correct, bool [N]: the score is their share.
        values: A number for each example, float [N]: the score is their mean.
        weighted: Returns the score with weighted examples, to bootstrap it.
    """

    value: float
    count: int
    correct: np.ndarray | None = field(default=None, repr=False)
    values: np.ndarray | None = field(default=None, repr=False)
    weighted: Weighted | None = field(default=None, repr=False)


Predict = Callable[[Nest], Nest]
"""The deployed file: inputs as arrays, tensors or nests of them, [B, ...] -> outputs as arrays."""


class Part(Protocol):
    """A part of the data, as a task scores it."""

    name: str
    """"validation" or "test"."""

    size: int
    """Number of examples."""

    def batches(self) -> Iterator[tuple[Nest, Nest]]:
        """Yields one ordered pass as (inputs, targets), both as NumPy arrays or nests of them."""


class Task(Protocol):
    """What a network's outputs mean. The built-in tasks are in `search/tasks`."""

    @property
    def name(self) -> str:
        """Name in the study file: "classification", or the path of the user's own task."""

    @property
    def outputs(self) -> Outputs:
        """The outputs that a network must give."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Name -> metric, the main one first; empty for the user's own task."""

    @property
    def keep(self) -> tuple[str, ...]:
        """Patterns (fnmatch) of names of layers that no pruning or quantization changes."""

    @property
    def class_scores(self) -> bool:
        """Whether each vector of outputs holds logits of classes, which distillation softens."""

    @property
    def targets(self) -> TargetKind | None:
        """What the targets are; None if nobody can tell, as for the user's own task."""

    @property
    def ignore(self) -> int | None:
        """The class in targets that does not count, as unlabelled pixels; None if all count."""

    def identity(self) -> Mapping[str, Any]:
        """Returns JSON that becomes part of every stage's key; empty for classification."""

    def code(self) -> Mapping[str, str]:
        """Returns dotted path -> digest of the user's files that the task depends on."""

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean loss of a batch, a scalar; a recipe's `loss` replaces it."""

    def distill(self, student: Nest, teacher: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns the task's own loss of a student's outputs against a teacher's, a scalar.

        None selects the default: softened class scores, or else the mean squared error.
        """

    def correct(self, outputs: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns the number of correct examples of a batch, a scalar; None if it has no meaning.

        The training's progress shows it.
        """

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns each score of the deployed file on a part of the data.

        Raises:
            Unmeasurable: It cannot be scored, with the reason.
        """
