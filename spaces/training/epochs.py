"""Trains epoch by epoch, and keeps the state between two epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch

from paretune.inputs import kind_of
from paretune.spaces.base import Context, EpochEnd, InfeasibleCandidate
from paretune.spaces.strides import correct_gradients
from paretune.spaces.training.augmentation import augmented
from paretune.spaces.training.distiller import Distiller
from paretune.spaces.training.ema import WeightAverage
from paretune.spaces.training.freezing import Trunk, optimizer_of
from paretune.spaces.training.learning_rates import LearningRates
from paretune.spaces.training.mixing import MixedLabels, mixed
from paretune.spaces.training.precision import Precision
from paretune.spaces.training.recipe import Augment, Recipe
from paretune.spaces.training.snapshot import (
    Snapshot,
    copy_tree,
    optimizer_state,
    random_state,
    restore_model,
    restore_optimizer,
    restore_random,
    tensors_of,
)
from paretune.spaces.training.stopping import Monitor
from paretune.spaces.training.zeros import Zeros

CHECK_EVERY = 50
"""Steps between two checks of the loss; each check makes a GPU wait."""


class Epochs:
    """One run of the training loop, with the state that its steps share.

    Args:
        model: The model to train, in place.
        recipe: The recipe of the training.
        context: Provides data, device, seed, distillation with its teacher, and the report that is
            called after each epoch.
        stage: Name of the stage, for reports.
        zeros: Weights that stay zero.

    Attributes:
        snapshot: State from which a later run continues; None unless `run` was asked to keep it.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        recipe: Recipe,
        context: Context,
        stage: str,
        zeros: Zeros,
    ) -> None:
        self.model = model
        self.zeros = zeros
        self.recipe = recipe
        self.context = context
        self.stage = stage
        self.begun = time.perf_counter()
        self.earlier_seconds = 0.0  # seconds of the earlier parts of this training
        self.examples_seen = 0  # examples of all epochs
        self.curve: list[Mapping[str, Any]] = []
        self.snapshot: Snapshot | None = None
        self.channels_last = _channels_last(recipe, context)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        self.distiller = Distiller(model, context, recipe) if context.distillation else None
        adapters = self.distiller.parameters if self.distiller else []
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *adapters]
        needs_trunk = recipe.freeze_epochs or recipe.trunk_lr < 1
        self.trunk = Trunk(model, context.data.task.outputs.size) if needs_trunk else None
        self.optimizer = optimizer_of(self.parameters, self.trunk, recipe)
        self.rates = LearningRates(self.optimizer, recipe.schedule)
        self.precision = Precision(recipe.amp, context.device)
        self.average = WeightAverage(model, recipe.ema) if recipe.ema else None
        self.monitor = Monitor(recipe, context)
        self.forward: Any = torch.compile(model) if recipe.compile else model
        self.examples, self.batches = _epoch_size(context.data.size("train"), recipe.batch_size)
        self.loss = math.nan

    def run(self, until: int, resume: Snapshot | None, keep: bool) -> None:
        """Trains up to an epoch or an early end; then the model has the best weights.

        Args:
            until: The last epoch, counted from the start of the training.
            resume: Snapshot of an earlier part from which to continue.
            keep: Whether to take a snapshot at the end.
        """
        try:
            if resume:
                self._restore(resume)
            with correct_gradients(self.model, self.context.device):
                self._epochs(until)
            self.snapshot = self._snapshot() if keep else None
        finally:
            if self.distiller:
                self.distiller.close()
        if self.average:
            self.average.apply()
        self.monitor.restore(self.model)
        if self.trunk:
            self.trunk.unfreeze()

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or the training ended early."""
        return self.monitor.stopped is not None or len(self.curve) >= self.recipe.epochs

    def _epochs(self, until: int) -> None:
        while len(self.curve) < until and not self.over:
            epoch = len(self.curve)
            begun = time.perf_counter()
            self.loss, accuracy = self._epoch(epoch)
            averaged = self.average and self.monitor.uses_model
            with self.average.applied() if self.average and averaged else nullcontext():
                self.monitor.observe(self.loss, self.model)
            self.rates.observe(self.monitor.losses)
            seconds = time.perf_counter() - begun
            point = {"epoch": epoch + 1, "loss": self.loss, "accuracy": accuracy}
            self.curve.append({**point, "seconds": seconds})
            self.context.report(
                EpochEnd(self.stage, epoch + 1, self.recipe.epochs, self.loss, accuracy, seconds)
            )

    def info(self) -> dict[str, Any]:
        """Returns the result of the training as JSON, for `Step.info`."""
        seconds = self._seconds()
        return {
            "seconds": round(seconds, 3),
            "loss": self.loss if self.curve else None,
            "epochs": len(self.curve),
            **({"stopped": self.monitor.stopped} if self.monitor.stopped else {}),
            "examples_per_second": round(self.examples_seen / seconds, 1),
        }

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self.begun

    # -- parts -----------------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        """Returns all state that epochs change, except the rates: they follow from the losses."""
        state = {
            "model": copy_tree(tensors_of(self.model)),
            "optimizer": optimizer_state(self.optimizer),
            "scaler": self.precision.scaler.state_dict(),
            "average": copy_tree(self.average.state()) if self.average else None,
            "monitor": copy_tree(self.monitor.state()),
            "adapters": copy_tree(self.distiller.state()) if self.distiller else None,
            "random": random_state(self.context.device),
            "seen": self.examples_seen,
        }
        return Snapshot(len(self.curve), self._seconds(), state, tuple(self.curve))

    def _restore(self, snapshot: Snapshot) -> None:
        state = snapshot.state
        restore_model(self.model, state["model"])
        restore_optimizer(self.optimizer, state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        if self.average:
            self.average.load(state["average"])
        self.monitor.load(state["monitor"])
        if self.distiller:
            self.distiller.load(state["adapters"])
        self.rates.observe(self.monitor.losses)
        self.examples_seen, self.curve = state["seen"], [*snapshot.curve]
        self.earlier_seconds = snapshot.seconds
        self.loss = self.curve[-1]["loss"] if self.curve else math.nan
        restore_random(state["random"], self.context.device)

    # -- an epoch --------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """Trains on each training example once; returns mean loss and training accuracy."""
        self._begin(epoch)
        data, device, size = self.context.data, self.context.device, self.recipe.batch_size
        seed = (self.context.seed * 1_000_003 + epoch) % 2**31
        generator = torch.Generator().manual_seed(seed)
        steps = math.ceil(data.size("train") / size)
        total = torch.zeros((), device=device)
        correct = torch.zeros((), device=device)
        seen = 0
        if self.distiller:
            self.distiller.begin(seed)
        batches = data.batches("train", size, seed=seed, device=device)
        for step, (images, labels) in enumerate(batches):
            self.context.yield_to_measurements()
            if step == self.batches:
                continue  # a last batch of one example: batch normalization cannot train on it
            images, targets = self._prepared(images, labels, generator)
            if step % self.recipe.accumulate == 0:
                self.rates.set((epoch + step / steps) / self.recipe.epochs)
            loss, logits = self._step(images, targets, step)
            total += loss.detach() * len(labels)
            correct += targets.correct(logits.detach())
            seen += len(labels)
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                self._check(total, epoch, step)
        self._check(total, epoch, self.batches - 1)
        self.examples_seen += seen
        return float(total) / max(seen, 1), float(correct) / max(seen, 1)

    def _begin(self, epoch: int) -> None:
        self.model.train()
        if self.trunk and epoch < self.recipe.freeze_epochs:
            self.trunk.freeze()
        elif self.trunk:
            self.trunk.unfreeze()

    def _prepared(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, MixedLabels]:
        augment, targets = self.recipe.augment, MixedLabels(labels)
        if augment != Augment():
            data = self.context.data
            images = augmented(images, augment, data.black(), data.white(), generator)
            images, targets = mixed(images, labels, augment, generator)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, targets

    def _step(
        self, images: torch.Tensor, targets: MixedLabels, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds a batch's gradients and, after the last batch of a group, updates the weights."""
        position = step % self.recipe.accumulate
        if position == 0:
            self.optimizer.zero_grad(set_to_none=True)
        with self.precision.autocast:
            logits = self.forward(images)
            loss = targets.loss(logits, self.recipe.label_smoothing)
            if self.distiller:
                loss = self.distiller.loss(images, targets.dominant, logits, loss, step)
        self.precision.backward(loss if self.recipe.accumulate == 1 else self._share(loss, step))
        if position == self.recipe.accumulate - 1 or step == self.batches - 1:
            self._update()
        return loss, logits

    def _share(self, loss: torch.Tensor, step: int) -> torch.Tensor:
        """Returns a batch's share of its group's mean loss; the last group may be smaller."""
        size, group = self.recipe.batch_size, self.recipe.batch_size * self.recipe.accumulate
        first = step // self.recipe.accumulate * group
        count = min(size, self.examples - step * size)
        return loss * (count / min(group, self.examples - first))

    def _update(self) -> None:
        """Makes an optimizer step, then restores pruned zeros and updates the mean weights."""
        self.precision.step(self.optimizer, self.parameters, self.recipe.clip)
        self.zeros.restore()
        if self.average:
            self.average.update()

    def _check(self, total: torch.Tensor, epoch: int, step: int) -> None:
        """Refuses a loss that is NaN or infinite."""
        value = float(total)
        if not math.isfinite(value):
            rate = self.optimizer.param_groups[0]["lr"]
            raise InfeasibleCandidate(
                f"the loss became {value} in epoch {epoch + 1} by step {step + 1} "
                f"({self.recipe.optimizer.name}, learning rate {rate:.3g})"
            )


def _epoch_size(size: int, batch_size: int) -> tuple[int, int]:
    """Returns (examples, batches) of an epoch, without a last batch of a single example."""
    if size > 1 and batch_size > 1 and size % batch_size == 1:
        size -= 1
    return size, math.ceil(size / batch_size)


def _channels_last(recipe: Recipe, context: Context) -> bool:
    """Returns whether images and weights are laid out channels-last.

    This helps on a GPU with tensor cores. On a CPU the data already has this layout, and a
    convolution keeps the layout of its input. This is 1.0 to 1.6 times as fast as the other layout.
    Converting the weights too made small networks a few per cent slower.
    """
    if kind_of(context.data.shape) == "text":
        return False
    if recipe.channels_last == "auto":
        return context.device == "cuda"
    return recipe.channels_last == "on"
