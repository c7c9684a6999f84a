"""Mixup (https://arxiv.org/abs/1710.09412) and CutMix (https://arxiv.org/abs/1905.04899)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from paretune.nests import Nest
from paretune.spaces.training.losses.base import LossFunction
from paretune.spaces.training.recipe import Augment
from paretune.task import Task


@dataclass(frozen=True)
class MixedTargets:
    """The targets of a batch, with images possibly mixed in pairs.

    Attributes:
        targets: Targets of the examples.
        partners: Targets of the images mixed into them; None if nothing is mixed.
        share: Share of `targets` in the mix, in [0, 1].
    """

    targets: Nest
    partners: Nest | None = None
    share: float = 1.0

    @property
    def dominant(self) -> Nest:
        """The targets with the larger share, for losses that take one target."""
        return self.targets if self.partners is None or self.share >= 0.5 else self.partners

    def loss(self, outputs: Nest, mean: LossFunction) -> torch.Tensor:
        """Returns share * mean(targets) + (1 - share) * mean(partners), a scalar."""
        loss = mean(outputs, self.targets)
        if self.partners is None:
            return loss
        return self.share * loss + (1 - self.share) * mean(outputs, self.partners)

    def correct(self, outputs: Nest, task: Task) -> torch.Tensor | None:
        """Returns the number of correct examples, a scalar; a mix counts by its shares.

        None if the task has no such number.
        """
        correct = task.correct(outputs, self.targets)
        if self.partners is None or correct is None:
            return correct
        other = task.correct(outputs, self.partners)
        assert other is not None, "a task always gives a number, or never"
        return self.share * correct + (1 - self.share) * other


def mixed(
    images: torch.Tensor, labels: torch.Tensor, augment: Augment, generator: torch.Generator
) -> tuple[torch.Tensor, MixedTargets]:
    """Returns each image mixed with the one before it, with one share for the whole batch.

    If both mixup and CutMix are on, each batch uses one of them at random. The order of examples is
    already random, so the neighbour is a random partner.

    Args:
        images: Images [B, C, H, W]; not changed.
        labels: Classes int64 [B], or labels [B, n].
        augment: `mixup` and `cutmix` are the alphas of Beta(alpha, alpha); 0 is off.
        generator: A generator on the CPU, so that the mix is the same on every device.
    """
    if not (augment.mixup or augment.cutmix):
        return images, MixedTargets(labels)
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
    return images, MixedTargets(labels, labels.roll(1, 0), share)


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
