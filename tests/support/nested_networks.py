"""Networks with inputs and outputs of every form, and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from paretune.inputs import Input, Shape, Signature, Tokens, signature_of
from paretune.nests import Nest

LENGTH, VOCABULARY = 6, 20


class Pooled(nn.Module):
    """Images [B, 3, H, W] of any size -> class scores [B, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return scores


class Masks(nn.Module):
    """Images [B, 3, H, W] -> {"mask": [B, 2, H, W], "score": [B, 4]}; H and W are even."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 2, 2, stride=2)
        self.score = nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> dict[str, Any]:
        x = torch.relu(self.down(image))
        return {"mask": self.up(x), "score": self.score(x.mean((2, 3))), "nothing": None}


class Texts(nn.Module):
    """Token ids and their mask [B, T] -> {"logits": [B, 3]}."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 16)
        self.first, self.last = nn.Linear(16, 32), nn.Linear(32, 3)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        used = attention_mask.unsqueeze(-1).float()
        mean = (self.embedding(input_ids) * used).sum(1) / used.sum(1).clamp(min=1)
        return {"logits": self.last(torch.relu(self.first(mean)))}


class Fused(nn.Module):
    """An image and features -> (boxes, [scores, features]); the third input is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3)
        self.boxes, self.scores = nn.Linear(12, 4), nn.Linear(12, 5)

    def forward(self, image: torch.Tensor, extra: torch.Tensor, unused: torch.Tensor) -> Any:
        x = torch.cat([torch.relu(self.features(image)).mean((2, 3)), extra], dim=1)
        return self.boxes(x), [self.scores(x), x]


class Heads(nn.Module):
    """Features [B, 13] -> {"boxes": [B, 4], "heads": ([B, 2], [B, 3])}."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(13, 16)
        self.boxes = nn.Linear(16, 4)
        self.heads = nn.ModuleList([nn.Linear(16, 2), nn.Linear(16, 3)])

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        x = torch.relu(self.trunk(x))
        return {"boxes": self.boxes(x), "heads": tuple(head(x) for head in self.heads)}


class Bytes(nn.Module):
    """Bytes uint8 [B, 4, 5] -> [B, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(20, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(x.float().flatten(1) / 255)
        return scores


def _tokens() -> nn.Module:
    return nn.Sequential(
        nn.Embedding(VOCABULARY, 8), nn.Flatten(), nn.Linear(8 * LENGTH, 16), nn.Linear(16, 3)
    )


def _series() -> nn.Module:
    convolution = nn.Conv1d(2, 8, 3)
    return nn.Sequential(convolution, nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())


@dataclass(frozen=True)
class NestedCase:
    """A kind of network.

    Attributes:
        build: Makes it.
        shape: What it takes.
        outputs: Names of the outputs in a file.
    """

    build: Callable[[], nn.Module]
    shape: Shape
    outputs: tuple[str, ...] = ("logits",)

    def network(self) -> nn.Module:
        """Returns the network, with the same weights each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.build().eval()

    def inputs(self, batch: int, seed: int = 0) -> Nest:
        """Returns arrays in the network's form."""
        random = np.random.default_rng(seed)
        signature = signature_of(self.shape)
        return signature.nest([_drawn(random, each, batch) for each in signature.inputs])


def _drawn(random: np.random.Generator, each: Input, batch: int) -> np.ndarray:
    shape = (batch, *each.shape)
    if each.dtype == "float32":
        return random.normal(size=shape).astype(np.float32)
    return random.integers(1, each.limit or 2, shape).astype(each.dtype)


IMAGE = Input("image", (3, 8, 8), dynamic=((1, "height"), (2, "width")))

CASES = {
    "features": NestedCase(lambda: nn.Sequential(nn.Linear(13, 16), nn.Linear(16, 2)), (13,)),
    "series": NestedCase(_series, (2, 12)),
    "image": NestedCase(Pooled, (3, 8, 8)),
    "tokens": NestedCase(_tokens, Tokens(LENGTH, VOCABULARY)),
    "bytes": NestedCase(Bytes, Signature((Input("input", (4, 5), "uint8", 256),))),
    "nested outputs": NestedCase(Heads, (13,), ("boxes", "heads_0", "heads_1")),
    "tuples": NestedCase(
        Fused,
        Signature(
            (
                Input("input_0", (3, 6, 6)),
                Input("input_1", (4,)),
                Input("input_2", (5,), "bool", 2),
            ),
            "tuple",
        ),
        ("output_0", "output_1_0", "output_1_1"),
    ),
    "dicts": NestedCase(
        Texts,
        Signature(
            (
                Input("input_ids", (LENGTH,), "int64", VOCABULARY),
                Input("attention_mask", (LENGTH,), "int64", 2),
            ),
            "dict",
        ),
    ),
}
"""Networks that every runtime takes."""

VARIED = {
    "image of any size": NestedCase(
        Pooled, Signature((Input("input", (3, 8, 8), dynamic=IMAGE.dynamic),))
    ),
    "masks of any size": NestedCase(Masks, Signature((IMAGE,), "dict"), ("mask", "score")),
    "texts of any length": NestedCase(
        Texts,
        Signature(
            (
                Input("input_ids", (LENGTH,), "int64", VOCABULARY, ((0, "length"),)),
                Input("attention_mask", (LENGTH,), "int64", 2, ((0, "length"),)),
            ),
            "dict",
        ),
    ),
}
"""Networks with axes of several sizes."""
