"""The epochs of a training: what a step does, and what is kept between two epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch

from paretune.spaces.base import Context, EpochEnd, InfeasibleCandidate
from paretune.spaces.inputs import kind_of
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

LOOK_EVERY = 50
"""Steps between two looks at the loss: each look makes a GPU wait."""


class Epochs:
    """One run of the loop; holds what its steps share.

    Args:
        model: What is trained, in place.
        recipe: How.
        context: Data, device, seed, distillation and its teacher, and who is told after each epoch.
        stage: Name of the stage, for reports.
        zeros: Weights that stay zero.

    Attributes:
        snapshot: What goes on from where this run has ended, if it was to be kept.
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
        self.before = 0.0  # seconds of the parts before this one
        self.seen = 0  # examples of all epochs
        self.curve: list[Mapping[str, Any]] = []
        self.snapshot: Snapshot | None = None
        self.channels_last = _channels_last(recipe, context)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        self.teaching = Distiller(model, context, recipe) if context.distillation else None
        taught = self.teaching.parameters if self.teaching else []
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *taught]
        apart = recipe.freeze_epochs or recipe.trunk_lr < 1
        self.trunk = Trunk(model, context.data.classes) if apart else None
        self.optimizer = optimizer_of(self.parameters, self.trunk, recipe)
        self.rates = LearningRates(self.optimizer, recipe.schedule)
        self.precision = Precision(recipe.amp, context.device)
        self.average = WeightAverage(model, recipe.ema) if recipe.ema else None
        self.monitor = Monitor(recipe, context)
        self.forward: Any = torch.compile(model) if recipe.compile else model
        self.examples, self.batches = _trained_on(context.data.size("train"), recipe.batch_size)
        self.loss = math.nan

    def run(self, until: int, resume: Snapshot | None, keep: bool) -> None:
        """Epochs up to this one, or fewer; leaves in the model the weights that the stage returns.

        Args:
            until: The last epoch, counted from the start of the training.
            resume: Where an earlier part has stopped.
            keep: Whether a snapshot is taken at the end.
        """
        try:
            if resume:
                self._restore(resume)
            with correct_gradients(self.model, self.context.device):
                self._epochs(until)
            self.snapshot = self._taken() if keep else None
        finally:
            if self.teaching:
                self.teaching.close()
        if self.average:
            self.average.put()
        self.monitor.restore(self.model)
        if self.trunk:
            self.trunk.unfreeze()

    @property
    def over(self) -> bool:
        """All epochs are done, or it has ended early."""
        return self.monitor.stopped is not None or len(self.curve) >= self.recipe.epochs

    def _epochs(self, until: int) -> None:
        while len(self.curve) < until and not self.over:
            epoch = len(self.curve)
            begun = time.perf_counter()
            self.loss, accuracy = self._epoch(epoch)
            looks = self.average and self.monitor.looks
            with self.average.lent() if self.average and looks else nullcontext():
                self.monitor.hear(self.loss, self.model)
            self.rates.hear(self.monitor.losses)
            seconds = time.perf_counter() - begun
            point = {"epoch": epoch + 1, "loss": self.loss, "accuracy": accuracy}
            self.curve.append({**point, "seconds": seconds})
            self.context.report(
                EpochEnd(self.stage, epoch + 1, self.recipe.epochs, self.loss, accuracy, seconds)
            )

    def info(self) -> dict[str, Any]:
        """What came of it, as JSON."""
        seconds = self._seconds()
        return {
            "seconds": round(seconds, 3),
            "loss": self.loss if self.curve else None,
            "epochs": len(self.curve),
            **({"stopped": self.monitor.stopped} if self.monitor.stopped else {}),
            "examples_per_second": round(self.seen / seconds, 1),
        }

    def _seconds(self) -> float:
        return self.before + time.perf_counter() - self.begun

    # -- parts -----------------------------------------------------------------------------------

    def _taken(self) -> Snapshot:
        """All that the epochs so far have changed. Rates follow from the losses and the epoch."""
        state = {
            "model": copy_tree(tensors_of(self.model)),
            "optimizer": optimizer_state(self.optimizer),
            "scaler": self.precision.scaler.state_dict(),
            "average": copy_tree(self.average.state()) if self.average else None,
            "monitor": copy_tree(self.monitor.state()),
            "adapters": copy_tree(self.teaching.state()) if self.teaching else None,
            "random": random_state(self.context.device),
            "seen": self.seen,
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
        if self.teaching:
            self.teaching.load(state["adapters"])
        self.rates.hear(self.monitor.losses)
        self.seen, self.curve, self.before = state["seen"], [*snapshot.curve], snapshot.seconds
        self.loss = self.curve[-1]["loss"] if self.curve else math.nan
        restore_random(state["random"], self.context.device)

    # -- an epoch --------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """One pass over the training part; gives mean loss and training accuracy."""
        self._begin(epoch)
        data, device, size = self.context.data, self.context.device, self.recipe.batch_size
        seed = (self.context.seed * 1_000_003 + epoch) % 2**31
        generator = torch.Generator().manual_seed(seed)
        steps = math.ceil(data.size("train") / size)
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        seen = 0
        if self.teaching:
            self.teaching.begin(seed)
        batches = data.batches("train", size, seed=seed, device=device)
        for step, (images, labels) in enumerate(batches):
            self.context.yield_to_measurements()
            if step == self.batches:
                continue  # one example left over: batch normalization cannot train on it
            images, targets = self._prepared(images, labels, generator)
            if step % self.recipe.accumulate == 0:
                self.rates.set((epoch + step / steps) / self.recipe.epochs)
            loss, logits = self._step(images, targets, step)
            total += loss.detach() * len(labels)
            right += targets.right(logits.detach())
            seen += len(labels)
            if step % LOOK_EVERY == LOOK_EVERY - 1:
                self._check(total, epoch, step)
        self._check(total, epoch, self.batches - 1)
        self.seen += seen
        return float(total) / max(seen, 1), float(right) / max(seen, 1)

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
        """Adds a batch's gradients; the last batch of a group then moves the weights."""
        place = step % self.recipe.accumulate
        if place == 0:
            self.optimizer.zero_grad(set_to_none=True)
        with self.precision.autocast:
            logits = self.forward(images)
            loss = targets.loss(logits, self.recipe.label_smoothing)
            if self.teaching:
                loss = self.teaching.loss(images, targets.main, logits, loss, step)
        self.precision.backward(loss if self.recipe.accumulate == 1 else self._part(loss, step))
        if place == self.recipe.accumulate - 1 or step == self.batches - 1:
            self._update()
        return loss, logits

    def _part(self, loss: torch.Tensor, step: int) -> torch.Tensor:
        """A batch's part in the mean loss of its group, which at the end may be smaller."""
        size, group = self.recipe.batch_size, self.recipe.batch_size * self.recipe.accumulate
        first = step // self.recipe.accumulate * group
        own = min(size, self.examples - step * size)
        return loss * (own / min(group, self.examples - first))

    def _update(self) -> None:
        """One step of the optimizer, and what follows it."""
        self.precision.step(self.optimizer, self.parameters, self.recipe.clip)
        self.zeros.restore()
        if self.average:
            self.average.update()

    def _check(self, total: torch.Tensor, epoch: int, step: int) -> None:
        value = float(total)
        if not math.isfinite(value):
            rate = self.optimizer.param_groups[0]["lr"]
            raise InfeasibleCandidate(
                f"the loss became {value} in epoch {epoch + 1} by step {step + 1} "
                f"({self.recipe.optimizer.name}, learning rate {rate:.3g})"
            )


def _trained_on(size: int, batch_size: int) -> tuple[int, int]:
    """(examples, batches) of an epoch: without a last batch of a single example."""
    if size > 1 and batch_size > 1 and size % batch_size == 1:
        size -= 1
    return size, math.ceil(size / batch_size)


def _channels_last(recipe: Recipe, context: Context) -> bool:
    """On a GPU with tensor cores it helps. On a CPU the images are so already, and that is enough.

    There convolutions follow their input: 1.0 to 1.6 times the speed of the other order. To turn
    the weights as well lost small networks a few per cent.
    """
    if kind_of(context.data.shape) == "text":
        return False
    if recipe.channels_last == "auto":
        return context.device == "cuda"
    return recipe.channels_last == "on"
