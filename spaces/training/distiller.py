"""The teacher beside the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import Bridge, Lesson
from paretune.spaces.distillation.layer_pairs import Taps
from paretune.spaces.inputs import PADDING, example
from paretune.spaces.training.recipe import Augment, Recipe

BATCH = 512
"""Images at a time when the teacher answers the whole training part at once."""


class Distiller:
    """The distillation of a context, with its teacher.

    Where nothing random happens to the inputs the teacher says the same in every epoch, so its
    logits are computed once and kept. With augmentation, or when its features are compared, it runs
    in inference mode beside the student. The student itself is left without a trace: its layers are
    read through hooks until `close`, and what is learnt in between lies here.

    Args:
        student: The network in training, on the context's device.
        context: Holds distillation, teacher and data.
        recipe: Says whether images are augmented, and the batch size.

    Raises:
        InfeasibleCandidate: There is no teacher, it has other classes, or the two cannot be
            compared.
    """

    def __init__(self, student: nn.Module, context: Context, recipe: Recipe) -> None:
        option = context.distillation
        assert option is not None
        if context.teacher is None:
            raise InfeasibleCandidate("distillation needs a teacher, and there is none")
        self._entry = DISTILLATIONS.get(option.name)
        self._params = option.params
        self._context = context
        self._batch = recipe.batch_size
        self._teacher = context.teacher.to(context.device).eval()
        self._order = torch.empty(0, dtype=torch.int64)
        given = example(context.data.shape).to(context.device)
        self._check_classes(given)
        self._bridge: Bridge | None = None
        self._taps: tuple[Taps, ...] = ()
        if hasattr(self._entry, "prepare"):
            self._bridge = self._entry.prepare(self._params, student, self._teacher, given)
            pairs = self._bridge.pairs
            self._taps = (
                Taps(student, [pair.student for pair in pairs]),
                Taps(self._teacher, [pair.teacher for pair in pairs]),
            )
        keep = recipe.augment == Augment() and self._bridge is None
        self._kept = self._answers() if keep else None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What is learnt beside the student, for the optimizer."""
        return list(self._bridge.adapters.parameters()) if self._bridge else []

    def state(self) -> dict[str, torch.Tensor]:
        """What was learnt beside the student, for `load`."""
        return dict(self._bridge.adapters.state_dict()) if self._bridge else {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Goes on from what was learnt beside the student before."""
        if self._bridge:
            self._bridge.adapters.load_state_dict(dict(state))

    def begin(self, seed: int) -> None:
        """A new epoch, whose batches follow this seed's order."""
        self._order = self._context.data.order("train", seed)

    def loss(
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        logits: torch.Tensor,
        hard: torch.Tensor,
        step: int,
    ) -> torch.Tensor:
        """The loss of one batch, a scalar; the student has just been run on it.

        Args:
            inputs: What the student was given, [B, ...].
            labels: int64 [B].
            logits: Of the student, [B, classes].
            hard: The loss against the labels, a scalar.
            step: Of the batch in its epoch, from 0.
        """
        taught = self._taught(inputs, len(logits), step)
        if self._bridge is None:
            lesson = Lesson(hard, logits, taught, labels)
        else:
            ours, theirs = (_unpadded(tap.take(), inputs) for tap in self._taps)
            theirs = [features.clone() for features in theirs]  # see `_taught`
            adapters = list(self._bridge.adapters)
            lesson = Lesson(hard, logits, taught, labels, ours, theirs, adapters)
        loss: torch.Tensor = self._entry.loss(self._params, lesson)
        return loss

    def close(self) -> None:
        """Takes the hooks off student and teacher."""
        for tap in self._taps:
            tap.close()

    def _taught(self, inputs: torch.Tensor, count: int, step: int) -> torch.Tensor:
        """The teacher's logits for a batch, [B, classes]."""
        if self._kept is not None:
            start = step * self._batch
            rows = self._order[start : start + count].to(self._kept.device)
            return self._kept[rows]
        with torch.inference_mode():
            taught: torch.Tensor = self._teacher(inputs)
        return taught.clone()  # an inference tensor cannot take part in autograd

    def _answers(self) -> torch.Tensor:
        """The teacher's logits for the training part in its own order, [N, classes]."""
        data, device = self._context.data, self._context.device

        def asked() -> torch.Tensor:
            with torch.inference_mode():
                parts = [self._teacher(x) for x, _ in data.batches("train", BATCH, device=device)]
                return torch.cat(parts).float().cpu()

        return self._context.teacher_logits(asked).to(device).clone()

    def _check_classes(self, given: torch.Tensor) -> None:
        with torch.inference_mode():
            classes = self._teacher(given).shape[1]
        if classes != self._context.data.classes:
            raise InfeasibleCandidate(
                f"the teacher has {classes} classes, the candidate {self._context.data.classes}"
            )


def _unpadded(features: list[torch.Tensor], inputs: torch.Tensor) -> list[Any]:
    """Features [B, T, D] of token ids [B, T] with zeros at the padding, which says nothing."""
    if inputs.is_floating_point():
        return features
    real = (inputs != PADDING)[:, :, None]
    return [x * real if x.ndim == 3 and x.shape[1] == real.shape[1] else x for x in features]
