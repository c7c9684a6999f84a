"""The distillation loss in the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from paretune.inputs import PADDING, call, example, kind_of
from paretune.nests import Nest, leaves, mapped
from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import Bridge, Lesson, comparison_of
from paretune.spaces.distillation.layer_calls import OutputTaps
from paretune.spaces.training.losses.base import misfit
from paretune.spaces.training.recipe import Augment, Recipe

BATCH = 512
"""Inputs in a batch when the teacher's outputs are computed for the whole training part."""


class Distiller:
    """Computes a context's distillation loss for each batch, with the teacher.

    Without augmentation, a teacher's vectors [B, n] are the same in every epoch, so they are
    computed once and kept. In all other cases the teacher runs in inference mode on each batch. The
    student is not changed: hooks read its layers until `close`, and adapters that are trained with
    it are kept here.

    Args:
        student: The network in training, on the context's device.
        context: Provides distillation, teacher and data.
        recipe: Provides the augmentation and the batch size.
        ignore: Class of targets that the training's loss leaves out; None if all count.
        repeats: Whether every epoch has the same inputs, in the order that the data tells.

    Raises:
        InfeasibleCandidate: There is no teacher, it has another number of classes, or its features
            cannot be compared with those of the student. Or the distillation does not fit the task.
    """

    def __init__(
        self,
        student: nn.Module,
        context: Context,
        recipe: Recipe,
        ignore: int | None = None,
        repeats: bool = True,
    ) -> None:
        option = context.distillation
        assert option is not None
        if context.teacher is None:
            raise InfeasibleCandidate("distillation needs a teacher, and there is none")
        self._entry = DISTILLATIONS.get(option.name)
        self._params = option.params
        self._context = context
        self._comparison = comparison_of(context.data.task, ignore)
        self._batch = recipe.batch_size
        self._teacher = context.teacher.to(context.device).eval()
        self._order = torch.empty(0, dtype=torch.int64)
        self._check_targets(option.name)
        inputs = mapped(example(context.data.shape), lambda x: x.to(context.device))
        vectors = self._checked_outputs(inputs)
        self._bridge: Bridge | None = None
        self._taps: tuple[OutputTaps, ...] = ()
        if hasattr(self._entry, "prepare"):
            self._bridge = self._entry.prepare(self._params, student, self._teacher, inputs)
            pairs = self._bridge.pairs
            self._taps = (
                OutputTaps(student, [pair.student for pair in pairs]),
                OutputTaps(self._teacher, [pair.teacher for pair in pairs]),
            )
        repeats = repeats and recipe.augment == Augment() and self._bridge is None
        ordered = repeats and context.data.order("train", 0) is not None
        self._kept = self._vectors_of_training_part() if vectors and ordered else None

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
        if self._kept is not None:
            order = self._context.data.order("train", seed)
            assert order is not None, "the data that gave one order gives all of them"
            self._order = order

    def loss(
        self, inputs: Nest, targets: Nest, outputs: Nest, target_loss: torch.Tensor, step: int
    ) -> torch.Tensor:
        """Returns the loss of one batch, a scalar, directly after the student ran on it.

        Args:
            inputs: The student's inputs, [B, ...].
            targets: Targets of the batch.
            outputs: The student's outputs.
            target_loss: The loss against the targets, a scalar.
            step: Number of the batch in its epoch, from 0.
        """
        taught = self._teacher_outputs(inputs, outputs, step)
        student: list[Any] = []
        teacher: list[Any] = []
        if self._bridge is not None:
            student, teacher = (self._unpadded(tap.take(), inputs) for tap in self._taps)
            teacher = [_cloned(features) for features in teacher]
        adapters = list(self._bridge.adapters) if self._bridge else []
        lesson = Lesson(
            target_loss, outputs, taught, targets, student, teacher, adapters, self._comparison
        )
        loss: torch.Tensor = self._entry.loss(self._params, lesson)
        return loss

    def close(self) -> None:
        """Removes the hooks from student and teacher."""
        for tap in self._taps:
            tap.close()

    def _teacher_outputs(self, inputs: Nest, outputs: Nest, step: int) -> Nest:
        """Returns the teacher's outputs for a batch."""
        if self._kept is not None:
            start = step * self._batch
            count = len(leaves(outputs)[0])
            rows = self._order[start : start + count].to(self._kept.device)
            return self._kept[rows]
        with torch.inference_mode():
            taught = call(self._teacher, inputs)
        return mapped(taught, _cloned)

    def _vectors_of_training_part(self) -> torch.Tensor:
        """Returns the teacher's vectors for the training part in its own order, [N, n]."""
        data, device = self._context.data, self._context.device

        def compute() -> torch.Tensor:
            with torch.inference_mode():
                batches = data.batches("train", BATCH, device=device)
                parts = [leaves(call(self._teacher, inputs))[0] for inputs, _ in batches]
                return torch.cat(parts).float().cpu()

        return self._context.teacher_logits(compute).to(device).clone()

    def _checked_outputs(self, inputs: Nest) -> bool:
        """Returns whether the teacher gives one vector [n] for each example.

        Raises:
            InfeasibleCandidate: The vector has another size than the task needs.
        """
        with torch.inference_mode():
            outputs = call(self._teacher, inputs)
        if not isinstance(outputs, torch.Tensor):
            return False
        task, per = self._context.data.task, self._comparison.per
        size = outputs.shape[-1 if per == "position" else 1] if outputs.ndim > 1 else 1
        if task.outputs.size not in (0, size) and per != "any":
            unit = "classes" if task.class_scores else "outputs"
            raise InfeasibleCandidate(
                f"the teacher has {size} {unit}, the candidate {task.outputs.size}"
            )
        return outputs.ndim == 2 and outputs.is_floating_point()

    def _check_targets(self, name: str) -> None:
        """Refuses a distillation that needs other targets than the task has."""
        task, needs = self._context.data.task, getattr(self._entry, "targets", None)
        if needs is None:
            return
        reason = misfit(name, needs, task.targets)
        if task.targets is None and not task.class_scores:
            reason = f"{name} compares classes; the outputs of {task.name} are no scores of classes"
        if reason:
            raise InfeasibleCandidate(f"{reason}; take the distillation logits")

    def _unpadded(self, features: list[torch.Tensor], inputs: Nest) -> list[Any]:
        """Returns features [B, T, D] of texts with zeros at the padding."""
        if isinstance(inputs, Mapping) and "attention_mask" in inputs:
            return _masked(features, inputs["attention_mask"] != 0)
        if kind_of(self._context.data.shape) == "text":
            return _masked(features, leaves(inputs)[0] != PADDING)
        return features


def _cloned(leaf: Any) -> Any:
    """Returns a copy: autograd does not accept an inference tensor."""
    return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf


def _masked(features: list[torch.Tensor], real: torch.Tensor) -> list[Any]:
    """Returns features with zeros where a token [B, T] is padding."""
    fits = [x.ndim == 3 and x.shape[1] == real.shape[1] for x in features]
    return [x * real[:, :, None] if fit else x for x, fit in zip(features, fits, strict=True)]
