"""The steps of one epoch: batches, augmentation, gradients and updates of the weights."""

from __future__ import annotations

import torch

from paretune.inputs import call
from paretune.nests import Nest, mapped
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.augmentation import augmented, augmented_with_masks
from paretune.spaces.training.example_count import example_count
from paretune.spaces.training.mixing import MixedTargets, mixed
from paretune.spaces.training.recipe import Augment
from paretune.spaces.training.training_state import TrainingState

CHECK_EVERY = 50
"""Steps between two checks of the loss; each check makes a GPU wait."""


class Steps:
    """Trains epochs on the batches of the data.

    Args:
        state: The training, with the model, the optimizer and everything else that steps share.
    """

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._recipe = state.recipe
        self._pending = False
        self._plain = state.recipe.augment == Augment() and not state.channels_last
        self.forward = torch.compile(state.model) if state.recipe.compile else state.model

    def epoch(self, epoch: int) -> None:
        """Trains on each training example once.

        Raises:
            InfeasibleCandidate: The loss is not finite, is no scalar or has no gradient, or the
                part gives no batch.
        """
        state, recipe = self._state, self._recipe
        generator = torch.Generator().manual_seed(state.seed(epoch))
        for step, (batch, targets) in enumerate(state.batches(epoch)):
            count = example_count(batch)
            inputs, mixed_targets = self._prepared(batch, targets, generator)
            if step % recipe.accumulate == 0:
                state.rates.set(state.progress(epoch, step))
            loss, outputs = self._step(inputs, mixed_targets, epoch, step, count)
            correct = mixed_targets.correct(_detached(outputs), state.context.data.task)
            state.tally.add(loss, correct, count)
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                state.check(epoch, step)
        if self._pending:  # the loader ended before the number of batches that it should have
            self._update()
        if not state.tally.seen:
            raise InfeasibleCandidate(
                f"the training part gives no batch in epoch {epoch + 1}: it is empty, or its "
                "loader is used up; `batches` must return one that can start again"
            )

    def _prepared(
        self, inputs: Nest, targets: Nest, generator: torch.Generator
    ) -> tuple[Nest, MixedTargets]:
        if self._plain:
            return inputs, MixedTargets(targets)
        augment, data = self._recipe.augment, self._state.context.data
        mix = MixedTargets(targets)
        if augment != Augment() and data.task.targets == "mask":
            inputs, masks = augmented_with_masks(inputs, targets, augment, generator)
            mix = MixedTargets(masks)
        elif augment != Augment():
            inputs = augmented(inputs, augment, data.black(), data.white(), generator)
            inputs, mix = mixed(inputs, targets, augment, generator)
        if self._state.channels_last:
            inputs = mapped(inputs, _channels_last)
        return inputs, mix

    def _step(
        self, inputs: Nest, targets: MixedTargets, epoch: int, step: int, count: int
    ) -> tuple[torch.Tensor, Nest]:
        """Adds a batch's gradients and, after the last batch of a group, updates the weights."""
        state, group = self._state, self._recipe.accumulate
        if step % group == 0:
            state.optimizer.zero_grad(set_to_none=True)
        with state.precision.autocast:
            outputs = call(self.forward, inputs)
            loss = targets.loss(outputs, state.loss.mean)
            if state.distiller:
                loss = state.distiller.loss(inputs, targets.dominant, outputs, loss, step)
        choices = state.subnets.choices(state.seed(epoch), step) if state.subnets else []
        self._backward(loss, step, count, 1 + len(choices))
        for choice in choices:
            assert state.subnets is not None
            with state.precision.autocast:
                learned = state.subnets.loss(choice, inputs, targets.dominant, outputs)
            self._backward(learned, step, count, 1 + len(choices))
        self._pending = True
        if step % group == group - 1 or step == state.steps - 1:
            self._update()
        return loss, outputs

    def _backward(self, loss: torch.Tensor, step: int, count: int, networks: int) -> None:
        """Adds the gradients of one of the networks that a batch trains; the mean of all counts."""
        loss = loss if networks == 1 else loss / networks
        group = self._recipe.accumulate
        self._state.precision.backward(loss if group == 1 else self._share(loss, step, count))

    def _share(self, loss: torch.Tensor, step: int, count: int) -> torch.Tensor:
        """Returns a batch's share of its group's mean loss; the last group may be smaller."""
        group = self._state.batch_size * self._recipe.accumulate
        left = self._state.examples - step // self._recipe.accumulate * group
        return loss * (count / (min(group, left) if left > 0 else group))

    def _update(self) -> None:
        """Makes an optimizer step, then restores pruned zeros and updates the mean weights."""
        state = self._state
        state.precision.step(state.optimizer, state.parameters, self._recipe.clip)
        state.after_update()
        self._pending = False


def _detached(outputs: Nest) -> Nest:
    if isinstance(outputs, torch.Tensor):
        return outputs.detach()
    return mapped(outputs, lambda x: x.detach() if isinstance(x, torch.Tensor) else x)


def _channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
