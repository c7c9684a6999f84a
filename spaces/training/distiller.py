"""The distillation loss in the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from paretune.inputs import PADDING, example
from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import Bridge, Lesson
from paretune.spaces.distillation.layer_calls import OutputTaps
from paretune.spaces.training.recipe import Augment, Recipe

BATCH = 512
"""Inputs in a batch when the teacher's logits are computed for the whole training part."""


class Distiller:
    """Computes a context's distillation loss for each batch, with the teacher.

    Without augmentation the teacher's logits are the same in every epoch, so they are computed once
    and kept. With augmentation, or if features are compared, the teacher runs in inference mode on
    each batch. The student is not changed: hooks read its layers until `close`, and adapters that
    are trained with it are kept here.

    Args:
        student: The network in training, on the context's device.
        context: Provides distillation, teacher and data.
        recipe: Provides the augmentation and the batch size.

    Raises:
        InfeasibleCandidate: There is no teacher, it has another number of classes, or its features
            cannot be compared with those of the student.
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
        inputs = example(context.data.shape).to(context.device)
        self._check_classes(inputs)
        self._bridge: Bridge | None = None
        self._taps: tuple[OutputTaps, ...] = ()
        if hasattr(self._entry, "prepare"):
            self._bridge = self._entry.prepare(self._params, student, self._teacher, inputs)
            pairs = self._bridge.pairs
            self._taps = (
                OutputTaps(student, [pair.student for pair in pairs]),
                OutputTaps(self._teacher, [pair.teacher for pair in pairs]),
            )
        repeats = recipe.augment == Augment() and self._bridge is None
        self._kept = self._logits_of_training_part() if repeats else None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Parameters of the adapters, which are trained together with those of the student."""
        return list(self._bridge.adapters.parameters()) if self._bridge else []

    def state(self) -> dict[str, torch.Tensor]:
        """Returns the state of the adapters, for `load`."""
        return dict(self._bridge.adapters.state_dict()) if self._bridge else {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Loads the state of the adapters from an earlier part of the training."""
        if self._bridge:
            self._bridge.adapters.load_state_dict(dict(state))

    def begin(self, seed: int) -> None:
        """Starts an epoch with batches in this seed's order."""
        order = self._context.data.order("train", seed)
        assert order is not None
        self._order = order

    def loss(
        self,
        inputs: torch.Tensor,
        labels: torch.Tensor,
        logits: torch.Tensor,
        label_loss: torch.Tensor,
        step: int,
    ) -> torch.Tensor:
        """Returns the loss of one batch, a scalar, directly after the student ran on it.

        Args:
            inputs: The student's inputs, [B, ...].
            labels: Labels int64 [B].
            logits: The student's logits, [B, classes].
            label_loss: The loss against the labels, a scalar.
            step: Number of the batch in its epoch, from 0.
        """
        taught = self._teacher_logits(inputs, len(logits), step)
        if self._bridge is None:
            lesson = Lesson(label_loss, logits, taught, labels)
        else:
            student, teacher = (_unpadded(tap.take(), inputs) for tap in self._taps)
            teacher = [features.clone() for features in teacher]  # see `_teacher_logits`
            adapters = list(self._bridge.adapters)
            lesson = Lesson(label_loss, logits, taught, labels, student, teacher, adapters)
        loss: torch.Tensor = self._entry.loss(self._params, lesson)
        return loss

    def close(self) -> None:
        """Removes the hooks from student and teacher."""
        for tap in self._taps:
            tap.close()

    def _teacher_logits(self, inputs: torch.Tensor, count: int, step: int) -> torch.Tensor:
        """Returns the teacher's logits for a batch, [B, classes]."""
        if self._kept is not None:
            start = step * self._batch
            rows = self._order[start : start + count].to(self._kept.device)
            return self._kept[rows]
        with torch.inference_mode():
            logits: torch.Tensor = self._teacher(inputs)
        return logits.clone()  # autograd does not accept an inference tensor

    def _logits_of_training_part(self) -> torch.Tensor:
        """Returns the teacher's logits for the training part in its own order, [N, classes]."""
        data, device = self._context.data, self._context.device

        def compute() -> torch.Tensor:
            with torch.inference_mode():
                parts = [self._teacher(x) for x, _ in data.batches("train", BATCH, device=device)]
                return torch.cat(parts).float().cpu()

        return self._context.teacher_logits(compute).to(device).clone()

    def _check_classes(self, inputs: torch.Tensor) -> None:
        with torch.inference_mode():
            classes = self._teacher(inputs).shape[1]
        if classes != self._context.data.task.outputs.size:
            raise InfeasibleCandidate(
                f"the teacher has {classes} classes, the candidate "
                f"{self._context.data.task.outputs.size}"
            )


def _unpadded(features: list[torch.Tensor], inputs: torch.Tensor) -> list[Any]:
    """Returns features [B, T, D] of token ids [B, T] with zeros at the padding."""
    if inputs.is_floating_point():
        return features
    real = (inputs != PADDING)[:, :, None]
    return [x * real if x.ndim == 3 and x.shape[1] == real.shape[1] else x for x in features]
