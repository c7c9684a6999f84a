"""Mixup (https://arxiv.org/abs/1710.09412) and CutMix (https://arxiv.org/abs/1905.04899)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from paretune.spaces.training.recipe import Augment


@dataclass(frozen=True)
class MixedLabels:
    """The labels of a batch, mixed or not.

    Attributes:
        own: int64 [B].
        other: Of the image mixed into each, int64 [B]; None where nothing is mixed.
        share: Of `own`, in [0, 1].
    """

    own: torch.Tensor
    other: torch.Tensor | None = None
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.own)

    @property
    def main(self) -> torch.Tensor:
        """The label with the larger share, for losses that know one only; int64 [B]."""
        return self.own if self.other is None or self.share >= 0.5 else self.other

    def loss(self, logits: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Share * CE(logits, own) + (1 - share) * CE(logits, other), a scalar."""
        loss = functional.cross_entropy(logits, self.own, label_smoothing=smoothing)
        if self.other is None:
            return loss
        other = functional.cross_entropy(logits, self.other, label_smoothing=smoothing)
        return self.share * loss + (1 - self.share) * other

    def right(self, logits: torch.Tensor) -> torch.Tensor:
        """How many are classified correctly; a mixed image counts by its shares. A scalar."""
        found = logits.argmax(1)
        right = (found == self.own).sum()
        if self.other is None:
            return right
        return self.share * right + (1 - self.share) * (found == self.other).sum()


def mixed(
    images: torch.Tensor, labels: torch.Tensor, augment: Augment, generator: torch.Generator
) -> tuple[torch.Tensor, MixedLabels]:
    """Each image mixed with the one before it, by one share for the whole batch.

    With both on, each batch takes one of them by a coin. The order of examples is random already,
    so the neighbour is a random partner.

    Args:
        images: [B, C, H, W]; left as they are.
        labels: int64 [B].
        augment: `mixup` and `cutmix` are the alphas of Beta(alpha, alpha); 0 is off.
        generator: On the CPU, so that every device sees the same changes.
    """
    if not (augment.mixup or augment.cutmix):
        return images, MixedLabels(labels)
    cut = bool(augment.cutmix)
    if augment.mixup and augment.cutmix:
        cut = float(torch.rand((), generator=generator)) < 0.5
    # torch's Beta takes no generator; NumPy's is seeded from ours.
    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    alpha = augment.cutmix if cut else augment.mixup
    share = float(random.beta(alpha, alpha))
    partners = images.roll(1, 0)
    if cut:
        images, share = _cut(images, partners, share, random)
    else:
        images = torch.lerp(partners, images, share)
    return images, MixedLabels(labels, labels.roll(1, 0), share)


def _cut(
    images: torch.Tensor, partners: torch.Tensor, share: float, random: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """A box of (1 - share) of the area from the partner; gives the share that is really left.

    The box lies around a point anywhere in the image and is cut off at the edges, as in the paper.
    """
    height, width = images.shape[2:]
    side = (1 - share) ** 0.5
    tall, wide = int(height * side), int(width * side)
    row, column = int(random.integers(height)), int(random.integers(width))
    top, bottom = max(row - tall // 2, 0), min(row - tall // 2 + tall, height)
    left, right = max(column - wide // 2, 0), min(column - wide // 2 + wide, width)
    images = images.clone()
    images[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
    return images, 1 - (bottom - top) * (right - left) / (height * width)
