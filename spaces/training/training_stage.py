"""What a task's own training loop receives from a training stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from paretune.nests import Nest
from paretune.spaces.training.own_loop import OwnLoop
from paretune.spaces.training.recipe import Recipe


class Schedule:
    """The learning rates of a training stage, by the recipe's schedule.

    `step` sets the rates for the progress so far. So it may be called after each batch, or once
    after each epoch, or not at all: every epoch begins with the rates of its start.
    """

    def __init__(self, loop: OwnLoop) -> None:
        self._loop = loop

    def step(self) -> None:
        """Sets the rates for the next batch, or for the next epoch after the last batch."""
        self._loop.set_rates()

    def get_last_lr(self) -> list[float]:
        """Returns the current rate of each parameter group, as torch's schedulers do."""
        return [float(group["lr"]) for group in self._loop.state.optimizer.param_groups]


class TrainingStage:
    """What a task's own loop receives: `train(model, stage)`.

        def train(self, model, stage):
            optimizer, schedule = stage.optimizer(model)
            for epoch in stage.epochs():
                for inputs, targets in stage.batches():
                    optimizer.zero_grad()
                    stage.loss(model(inputs), inputs, targets).backward()
                    optimizer.step()
                    schedule.step()

    Attributes:
        device: Device of the model: "cpu", "cuda" or "mps".
        recipe: The recipe of this trial. The loop applies `accumulate` itself, if it wants to.
        name: Name of the stage: "pretrain", "finetune", ...
    """

    def __init__(self, loop: OwnLoop) -> None:
        self._loop = loop
        self.device = loop.state.context.device
        self.recipe: Recipe = loop.state.recipe
        self.name = loop.state.stage

    @property
    def autocast(self) -> AbstractContextManager[Any]:
        """The context of the recipe's mixed precision, for forward pass and loss."""
        return self._loop.state.precision.autocast

    def epochs(self) -> Iterator[int]:
        """Yields the epochs to train, from 0; a resumed training begins where the last one ended.

        After each epoch the loss is checked and reported, and the training may end early. Let the
        loop run to its end: neither `break` nor `return` inside it.
        """
        return self._loop.epochs()

    def batches(self) -> Iterator[tuple[Nest, Nest]]:
        """Yields (inputs, targets) of the task's training batches on the device, once."""
        return self._loop.batches()

    def optimizer(
        self, model: torch.nn.Module | None = None
    ) -> tuple[torch.optim.Optimizer, Schedule]:
        """Returns the recipe's optimizer of a model's parameters, and its schedule.

        Every step of it, and of any other torch optimizer of these weights, clips gradients by
        the recipe, keeps pruned weights zero and updates the mean weights (`ema`).

        Args:
            model: The model; default: the one that `train` received.
        """
        return self._loop.optimizer(model), Schedule(self._loop)

    def loss(self, outputs: Nest, inputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean loss of a batch, a scalar, with this trial's distillation.

        Call it directly after the forward pass. It counts the batch into the epoch's loss, except
        under `torch.no_grad`, where it is the plain loss.
        """
        return self._loop.loss(outputs, inputs, targets)

    def observe(self, loss: float | torch.Tensor, examples: int = 1) -> None:
        """Counts a mean loss that the loop computed in another way into the epoch's loss.

        Args:
            loss: Mean loss of a batch, or of the whole epoch.
            examples: Number of its examples.
        """
        self._loop.observe(loss, examples)

    def keep(self, *objects: Any) -> None:
        """Keeps the state of more objects when a training is interrupted.

        Call it before `epochs`, with an optimizer, scheduler or gradient scaler of the loop's own.

        Args:
            objects: They have `state_dict` and `load_state_dict`.
        """
        self._loop.keep(objects)
