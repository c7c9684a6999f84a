"""Probe inputs: examples of different content, in batches of different sizes.

A branch of a network on the values of its input turns with the content: dark and bright images,
high contrast, a single grey; short and long texts. Two of the images are the darkest and the
brightest of a sample, as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from paretune.inputs import Tokens
from paretune.inputs import Tokens
from paretune.search.data.dataset import Dataset

SAMPLE = 64
"""Validation examples that are compared, or that the probe inputs are made from."""

PART = "validation"

FAINT = 0.2
"""Share of the contrast that is left in a dark or bright image."""

HARSH = 4.0
"""Factor of contrast in an image with few greys left."""


@dataclass(frozen=True)
class ProbeInputs:
    """Examples of different content.

    Attributes:
        labels: Label of each example: "bright image".
        examples: The examples [N, ...], at least 5.
    """

    labels: tuple[str, ...]
    examples: torch.Tensor

    @property
    def batches(self) -> Iterator[tuple[int, ...]]:
        """Batches as indices: each example alone, batches of 2, and one of 5."""
        count = len(self.labels)
        yield from ((i,) for i in range(count))
        yield (0, count - 1)
        yield (count - 2, 1)
        yield tuple(range(min(5, count)))[::-1]

    def batch(self, indices: tuple[int, ...]) -> torch.Tensor:
        """Returns a copy of some examples, which a network may change."""
        return self.examples[list(indices)].clone()

    def text(self, indices: tuple[int, ...]) -> str:
        """Returns "a batch of 2 (bright image, black image)"."""
        names = ", ".join(self.labels[i] for i in indices[:3])
        more = ", ..." if len(indices) > 3 else ""
        return f"a batch of {len(indices)} ({names}{more})"


def sample(data: Dataset, count: int = SAMPLE) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns validation examples and their labels, the same ones each time, of mixed classes."""
    with closing(data.batches(PART, count, seed=0)) as batches:  # type: ignore[type-var]
        inputs, labels = next(batches)
    return inputs.contiguous(), labels


def probe_inputs(examples: torch.Tensor, data: Dataset) -> ProbeInputs:
    """Returns the probe inputs that are made from a sample."""
    made = (
        _texts(examples, data.shape[-1])
        if isinstance(data.shape, Tokens)
        else _images(examples, data)
    )
    return ProbeInputs(tuple(made), torch.stack(list(made.values())))


def _images(examples: torch.Tensor, data: Dataset) -> dict[str, torch.Tensor]:
    order = examples.flatten(1).mean(1).argsort()
    dark, bright = examples[order[0]], examples[order[-1]]
    any_image = examples[order[len(order) // 2]]
    made = {"the darkest image": dark, "the brightest image": bright, "an image": any_image}
    if not data.black():
        return {**made, "a faint image": FAINT * bright, "a strong image": HARSH * bright}
    black, white = (
        torch.tensor(values, dtype=examples.dtype)[:, None, None].expand_as(dark)
        for values in (data.black(), data.white())
    )
    middle = (black + white) / 2
    return {
        **made,
        "its negative": black + white - any_image,
        "in harsh contrast": (middle + HARSH * (any_image - middle)).clamp(black, white),
        "darkened": black + FAINT * (any_image - black),
        "brightened": white + FAINT * (any_image - white),
        "a white image": white.clone(),
        "a black image": black.clone(),
    }


def _texts(examples: torch.Tensor, vocabulary: int) -> dict[str, torch.Tensor]:
    lengths = (examples != 0).sum(1)
    order = lengths.argsort()
    short, long = examples[order[0]], examples[order[-1]]
    middle = examples[order[len(order) // 2]]
    position = torch.arange(examples.shape[1])
    every = 1 + (position * 7919) % max(vocabulary - 1, 1)
    single = torch.zeros_like(short)
    single[0] = max(int(short[0]), 1)
    return {
        "the longest text": long,
        "the shortest text": short,
        "a text": middle,
        "the same tokens in reverse": _reversed(middle),
        "one token": single,
        "a text without padding": torch.where(long == 0, every, long),
        "many different tokens": every.to(examples.dtype),
    }


def _reversed(text: torch.Tensor) -> torch.Tensor:
    """Returns a text with its tokens in reverse order and its padding at the end."""
    tokens, padding = text[text != 0], text[text == 0]
    return torch.cat([tokens.flip(0), padding])
