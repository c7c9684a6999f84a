"""The teacher beside the training loop."""

from __future__ import annotations

from typing import Any

import torch

from spaces.base import Context, InfeasibleCandidate
from spaces.training.recipe import Augment, Recipe

BATCH = 512
"""Images at a time when the teacher answers the whole training part at once."""


class Teaching:
    """A distillation loss with its teacher.

    Without augmentation the teacher says the same in every epoch, so it is asked once and its
    logits are kept; with augmentation it runs in inference mode beside the student.

    Args:
        entry: The distillation's class, with `loss`.
        params: Its options.
        context: Holds the teacher and the data.
        recipe: Says whether images are augmented, and the batch size.

    Raises:
        InfeasibleCandidate: There is no teacher, or it has other classes.
    """

    def __init__(self, entry: Any, params: Any, context: Context, recipe: Recipe) -> None:
        if context.teacher is None:
            raise InfeasibleCandidate("distillation needs a teacher, and there is none")
        self._entry = entry
        self._params = params
        self._context = context
        self._batch = recipe.batch_size
        self._teacher = context.teacher.to(context.device).eval()
        self._kept = self._answers() if recipe.augment == Augment() else None
        self._order = torch.empty(0, dtype=torch.int64)

    def begin(self, seed: int) -> None:
        """A new epoch, whose batches follow this seed's order."""
        self._order = self._context.data.order("train", seed)

    def loss(
        self, images: torch.Tensor, logits: torch.Tensor, hard: torch.Tensor, step: int
    ) -> torch.Tensor:
        """The loss of one batch; the arguments are [B, C, H, W], [B, classes] and a scalar."""
        if self._kept is None:
            with torch.inference_mode():
                taught = self._teacher(images)
            taught = taught.clone()  # an inference tensor cannot take part in autograd
        else:
            start = step * self._batch
            rows = self._order[start : start + len(logits)].to(self._kept.device)
            taught = self._kept[rows]
        if taught.shape != logits.shape:
            raise InfeasibleCandidate(
                f"the teacher has {taught.shape[1]} classes, the candidate {logits.shape[1]}"
            )
        loss: torch.Tensor = self._entry.loss(self._params, logits, taught, hard)
        return loss

    def _answers(self) -> torch.Tensor:
        """The teacher's logits for the training part in its own order, [N, classes]."""
        data, device = self._context.data, self._context.device
        with torch.inference_mode():
            parts = [self._teacher(x) for x, _ in data.batches("train", BATCH, device=device)]
            answers = torch.cat(parts)
        return answers.clone()
