"""Networks with several inputs and outputs, with axes that vary, and data for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from paretune.inputs import Input, Shape, Signature, random_example, signature_of
from paretune.nests import leaves, mapped
from paretune.task import Outputs


class TwoHeads(nn.Module):
    """An image becomes boxes [B, 4, 16] and scores [B, 3, 16]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 8, 3, padding=1, stride=2)
        self.boxes, self.scores = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.body(x).relu()
        return {"boxes": 10 * self.boxes(y).flatten(2), "scores": self.scores(y).flatten(2)}


class ImageAndFacts(nn.Module):
    """An image and five numbers become two values."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.facts = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(5, 8)
        self.last = nn.Linear(16, 2)

    def forward(self, image: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        pooled = self.image(image).relu().mean((2, 3))
        values: torch.Tensor = self.last(torch.cat([pooled, self.facts(facts).relu()], 1))
        return values


class Tagger(nn.Module):
    """Token ids and a mask become scores for each position, and their best class."""

    def __init__(self, vocabulary: int = 20, classes: int = 4) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, 8)
        self.conv, self.last = nn.Conv1d(8, 8, 3, padding=1), nn.Linear(8, classes)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.tokens(ids) * mask[..., None]
        scores = self.last(self.conv(y.transpose(1, 2)).transpose(1, 2).relu())
        return scores, scores.argmax(2)


TWO_HEADS: Shape = (1, 8, 8)
IMAGE_AND_FACTS = Signature((Input("image", (1, 8, 8)), Input("facts", (5,))), "tuple")
TAGGER = Signature(
    (
        Input("ids", (12,), "int64", 20, ((0, "length"),)),
        Input("mask", (12,), "float32", None, ((0, "length"),)),
    ),
    "dict",
)

NETWORKS: list[tuple[type[nn.Module], Shape]] = [
    (TwoHeads, TWO_HEADS),
    (ImageAndFacts, IMAGE_AND_FACTS),
    (Tagger, TAGGER),
]


def factory(network: type[nn.Module]) -> dict[str, Any]:
    """Returns the architecture of a network of this module."""
    return {"python": {"factory": f"{__name__}:{network.__name__}"}}


@dataclass
class AnyTask:
    """A task that says what the outputs are, and scores nothing."""

    outputs: Outputs = field(default_factory=lambda: Outputs(0, "any"))
    class_scores: bool = False
    name: str = "any"
    keep: tuple[str, ...] = ()


class NestData:
    """Random inputs of a shape, without targets that mean anything.

    Args:
        shape: What the network takes.
        count: Examples of each part.
        loader: Batch size that a loader of the user's fixes; None if there is none.
    """

    fingerprint = "nests"

    def __init__(self, shape: Shape, count: int = 64, loader: int | None = None) -> None:
        self.shape: Any = shape
        self.task = AnyTask()
        self.loader_batch = loader
        self._inputs = random_example(shape, count, seed=1)

    def size(self, part: str) -> int:
        """Returns the number of examples."""
        return len(leaves(self._inputs)[0])

    def batches(
        self, part: str, size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Any, Any]]:
        """Yields batches of inputs and zeros."""
        size = self.loader_batch or size
        for start in range(0, self.size(part), size):
            rows = slice(start, start + size)
            taken = mapped(self._inputs, lambda x, rows=rows: x[rows])
            yield taken, torch.zeros(len(leaves(taken)[0]), 1)

    def calibration(self, count: int, batch: int) -> Iterator[Any]:
        """Yields inputs as arrays."""
        for start in range(0, count, batch):
            rows = slice(start, min(count, start + batch))
            yield mapped(self._inputs, lambda x, rows=rows: x[rows].numpy())

    def black(self) -> tuple[float, ...]:
        """Returns nothing: the range of the values is unknown."""
        return ()

    def white(self) -> tuple[float, ...]:
        """Returns nothing."""
        return ()


def names_of(shape: Shape) -> tuple[str, ...]:
    """Returns the names of the inputs."""
    return signature_of(shape).names
