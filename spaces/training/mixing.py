"""Mixup (https://arxiv.org/abs/1710.09412) and CutMix (https://arxiv.org/abs/1905.04899)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from paretune.spaces.training.recipe import Augment


@dataclass(frozen=True)
class MixedLabels:
    """The labels of a batch, with images possibly mixed in pairs.

    Attributes:
        labels: Labels of the images, int64 [B].
        partners: Labels of the images mixed into them, int64 [B]; None if nothing is mixed.
        share: Share of `labels` in the mix, in [0, 1].
    """

    labels: torch.Tensor
    partners: torch.Tensor | None = None
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dominant(self) -> torch.Tensor:
        """The labels with the larger share, int64 [B], for losses that take one label."""
        return self.labels if self.partners is None or self.share >= 0.5 else self.partners

    def loss(self, logits: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Returns share * CE(labels) + (1 - share) * CE(partners), a scalar (cross-entropies)."""
        loss = functional.cross_entropy(logits, self.labels, label_smoothing=smoothing)
        if self.partners is None:
            return loss
        partner_loss = functional.cross_entropy(logits, self.partners, label_smoothing=smoothing)
        return self.share * loss + (1 - self.share) * partner_loss

    def correct(self, logits: torch.Tensor) -> torch.Tensor:
        """Returns the number of correct classifications, a scalar; a mix counts by its shares."""
        classes = logits.argmax(1)
        correct = (classes == self.labels).sum()
        if self.partners is None:
            return correct
        return self.share * correct + (1 - self.share) * (classes == self.partners).sum()


def mixed(
    images: torch.Tensor, labels: torch.Tensor, augment: Augment, generator: torch.Generator
) -> tuple[torch.Tensor, MixedLabels]:
    """Returns each image mixed with the one before it, with one share for the whole batch.

    If both mixup and CutMix are on, each batch uses one of them at random. The order of examples is
    already random, so the neighbour is a random partner.

    Args:
        images: Images [B, C, H, W]; not changed.
        labels: Labels int64 [B].
        augment: `mixup` and `cutmix` are the alphas of Beta(alpha, alpha); 0 is off.
        generator: A generator on the CPU, so that the mix is the same on every device.
    """
    if not (augment.mixup or augment.cutmix):
        return images, MixedLabels(labels)
    cut = bool(augment.cutmix)
    if augment.mixup and augment.cutmix:
        cut = float(torch.rand((), generator=generator)) < 0.5
    # torch's Beta takes no generator, so NumPy's generator is seeded from this one.
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
    """Pastes a box of (1 - share) of the area from the partner; returns also the actual share.

    The box is centred at a random point. As in the paper it is cut off at the image's edges, so the
    actual share may be larger.
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
