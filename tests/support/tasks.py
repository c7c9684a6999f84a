"""Small tasks and data that tests of several rooms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from paretune.inputs import Shape
from paretune.nests import Nest, mapped
from paretune.search.tasks.classification import classification
from paretune.task import Metric, Outputs, Part, Predict, Scored, TargetKind

__all__ = ["ToyTask", "ToyTaskData", "classification"]


@dataclass
class ToyTask:
    """A task of plain values, which a test sets; by default a user's task with a squared error."""

    name: str = "toys:Toy"
    outputs: Outputs = field(default_factory=lambda: Outputs(0, "any"))
    targets: TargetKind | None = None
    class_scores: bool = False
    ignore: int | None = None
    keep: tuple[str, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    batch_loss: Callable[[Nest, Nest], Any] = functional.mse_loss
    output_loss: Callable[[Nest, Nest, Nest], Any] = lambda student, teacher, targets: None
    train: Callable[[Any, Any], Any] | None = None

    def identity(self) -> Mapping[str, Any]:
        return {"task": self.name}

    def code(self) -> Mapping[str, str]:
        return {}

    def loss(self, outputs: Nest, targets: Nest) -> Any:
        return self.batch_loss(outputs, targets)

    def distill(self, student: Nest, teacher: Nest, targets: Nest) -> Any:
        return self.output_loss(student, teacher, targets)

    def correct(self, outputs: Nest, targets: Nest) -> torch.Tensor | None:
        return None

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        raise NotImplementedError


class ToyTaskData:
    """The same examples for every part, as nests of tensors.

    Args:
        task: The task.
        shape: Shape of one input.
        inputs: Inputs of all examples.
        targets: Targets of all examples.
        loader_batch: If set, the batches are those of a user's loader: of this size, in an order
            that nobody knows.
    """

    fingerprint = "toy"

    def __init__(
        self, task: Any, shape: Shape, inputs: Nest, targets: Nest, loader_batch: int | None = None
    ) -> None:
        self.task, self.shape, self.loader_batch = task, shape, loader_batch
        self._inputs, self._targets = inputs, targets
        sizes: list[int] = []
        mapped((inputs, targets), lambda x: sizes.append(len(x)))
        assert len(set(sizes)) == 1
        self.count = sizes[0]

    @property
    def classes(self) -> int:
        return self.task.outputs.size  # type: ignore[no-any-return]

    def size(self, part: str) -> int:
        return self.count

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        return None if self.loader_batch else self._order(seed)

    def _order(self, seed: int | None) -> torch.Tensor:
        if seed is None:
            return torch.arange(self.count)
        return torch.randperm(self.count, generator=torch.Generator().manual_seed(seed))

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Nest, Nest]]:
        for rows in self._order(seed).split(self.loader_batch or batch_size):
            yield mapped((self._inputs, self._targets), lambda x, rows=rows: x[rows].to(device))

    def black(self) -> tuple[float, ...]:
        return (-1.0,)

    def white(self) -> tuple[float, ...]:
        return (1.0,)
