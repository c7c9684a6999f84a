"""The state of a training: what its steps share, and what snapshots keep between two epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any, Protocol

import torch

from paretune.inputs import kind_of
from paretune.nests import Nest
from paretune.spaces.base import Context, EpochEnd
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.distiller import Distiller
from paretune.spaces.training.ema import WeightAverage
from paretune.spaces.training.example_count import example_count
from paretune.spaces.training.freezing import Trunk, optimizer_of
from paretune.spaces.training.learning_rates import LearningRates
from paretune.spaces.training.precision import Precision
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.snapshot import (
    Saver,
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
from paretune.spaces.training.tally import Tally
from paretune.spaces.training.zeros import Zeros


class LoopState(Protocol):
    """The state of a task's own loop, which snapshots keep beside that of the training."""

    def saved(self) -> dict[str, Any]:
        """Returns a tree of mappings, lists, tensors and JSON values."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Continues from a tree of `saved`."""


class TrainingState:
    """The state of one training, which its steps share.

    Args:
        model: The model to train, in place.
        recipe: The recipe of the training.
        context: Provides data, device, seed, distillation with its teacher, and the report that is
            called after each epoch.
        stage: Name of the stage, for reports.
        zeros: Weights that stay zero.

    Attributes:
        snapshot: State from which a later run continues; None unless `keep` is set.
        keep: Whether to take a snapshot after the last epoch.
        saver: Saves snapshots between epochs; None if a lost training starts again.
        loop: The task's own loop; None for that of `Steps`.
        examples: Examples of an epoch, as far as the data tells.
        steps: Batches of an epoch, as far as the data tells.
        tally: Sums of the current epoch.
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
        self.keep = False
        self.saver: Saver | None = None
        self.loop: LoopState | None = None
        self.channels_last = _channels_last(recipe, context)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        data = context.data
        self.task_loop = getattr(data.task, "train", None)
        self.loss = BatchLoss(data, recipe.loss, recipe.label_smoothing, context.device)
        # Before the distiller, whose hooks must not come into the network that runs the subnets.
        self.subnets = context.subnets(model, self.loss.ignore) if context.subnets else None
        self.distiller = (
            Distiller(model, context, recipe, self.loss.ignore, repeats=self.task_loop is None)
            if context.distillation
            else None
        )
        adapters = self.distiller.parameters if self.distiller else []
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *adapters]
        needs_trunk = recipe.freeze_epochs or recipe.trunk_lr < 1
        self.trunk = Trunk(model, data.task) if needs_trunk else None
        self.precision = Precision(recipe.amp, context.device)
        self.average = WeightAverage(model, recipe.ema) if recipe.ema else None
        self.monitor = Monitor(recipe, context)
        self.batch_size = data.loader_batch or recipe.batch_size
        self.examples, self.steps = _epoch_size(data.size("train"), self.batch_size)
        self._planned = math.ceil(data.size("train") / self.batch_size)
        self.tally = Tally(context.device)
        self.mean_loss = math.nan
        self.use_optimizer(optimizer_of(self.parameters, self.trunk, recipe))

    def use_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Trains with this optimizer; its rates are those at the schedule's peak."""
        self.optimizer = optimizer
        self.rates = LearningRates(optimizer, self.recipe.schedule)

    @property
    def over(self) -> bool:
        """Whether all epochs are done, or the training ended early."""
        return self.monitor.stopped is not None or len(self.curve) >= self.recipe.epochs

    def numbers(self, until: int, resume: Snapshot | None, silent: int = 0) -> Iterator[int]:
        """Yields the epochs to train, from 0; between two of them the training keeps its state.

        Args:
            until: The last epoch, counted from the start of the training.
            resume: Snapshot of an earlier part from which to continue.
            silent: First epochs that are not reported.
        """
        if resume:
            self._restore(resume)
        while len(self.curve) < until and not self.over:
            epoch = len(self.curve)
            begun = time.perf_counter()
            self._begin(epoch)
            yield epoch
            self._end(epoch, time.perf_counter() - begun, report=epoch >= silent)
            if self.saver and len(self.curve) < until and not self.over and self.saver.is_due():
                self._save(self.saver)
        if self.keep:  # now, because a loop of the task's own may go on after the last epoch
            self.snapshot = self._snapshot()

    def info(self) -> dict[str, Any]:
        """Returns the result of the training as JSON, for `Step.info`."""
        seconds = self._seconds()
        return {
            "seconds": round(seconds, 3),
            "loss": self.mean_loss if self.curve else None,
            "epochs": len(self.curve),
            **({"stopped": self.monitor.stopped} if self.monitor.stopped else {}),
            "examples_per_second": round(self.examples_seen / seconds, 1),
        }

    def _seconds(self) -> float:
        return self.earlier_seconds + time.perf_counter() - self.begun

    # -- what steps share ------------------------------------------------------------------------

    def seed(self, epoch: int) -> int:
        """Returns the seed of an epoch's order of examples and of its augmentation."""
        return (self.context.seed * 1_000_003 + epoch) % 2**31

    def progress(self, epoch: int, step: int) -> float:
        """Returns the progress in [0, 1) at a step; a longer epoch than foreseen stays in it."""
        share = min(step, max(self._planned - 1, 0)) / max(self._planned, 1)
        return (epoch + share) / self.recipe.epochs

    def batches(self, epoch: int) -> Iterator[tuple[Nest, Nest]]:
        """Yields (inputs, targets) of an epoch; waits between them while others measure.

        Batch normalization cannot train on one example, so a batch of one after larger ones is
        left out.
        """
        batches = self.context.data.batches(
            "train", self.recipe.batch_size, seed=self.seed(epoch), device=self.context.device
        )
        for step, (inputs, targets) in enumerate(batches):
            self.context.yield_to_measurements()
            if step and self.batch_size > 1 and example_count(inputs) == 1:
                continue
            yield inputs, targets

    def after_update(self) -> None:
        """Restores pruned zeros after a step of the optimizer, and updates the mean weights."""
        self.zeros.restore()
        if self.average:
            self.average.update()

    def check(self, epoch: int, step: int) -> None:
        """Refuses a loss that is NaN or infinite."""
        rate = self.optimizer.param_groups[0]["lr"]
        self.tally.check(
            f"in epoch {epoch + 1} by step {step + 1} "
            f"({self.recipe.optimizer.name}, learning rate {rate:.3g}; {self.loss.name})"
        )

    # -- around an epoch -------------------------------------------------------------------------

    def _begin(self, epoch: int) -> None:
        self.tally = Tally(self.context.device)
        self.model.train()
        if self.trunk and epoch < self.recipe.freeze_epochs:
            self.trunk.freeze()
        elif self.trunk:
            self.trunk.unfreeze()
        if self.distiller:
            self.distiller.begin(self.seed(epoch))

    def _end(self, epoch: int, seconds: float, report: bool) -> None:
        """Takes the losses of an epoch, and reports it.

        Args:
            epoch: Number of the epoch, from 0.
            seconds: Time of its steps.
            report: Whether to report it.
        """
        begun = time.perf_counter()
        self.check(epoch, self.steps - 1)
        self.mean_loss, accuracy = self.tally.loss, self.tally.accuracy
        self.examples_seen += self.tally.seen
        averaged = self.average and self.monitor.uses_model
        with self.average.applied() if self.average and averaged else nullcontext():
            self.monitor.observe(self.mean_loss, self.model)
        self.rates.observe(self.monitor.losses)
        seconds += time.perf_counter() - begun
        point = {"epoch": epoch + 1, "loss": self.mean_loss, "accuracy": accuracy}
        self.curve.append({**point, "seconds": seconds})
        if report:
            begun = time.perf_counter()
            self.context.report(
                EpochEnd(
                    self.stage, epoch + 1, self.recipe.epochs, self.mean_loss, accuracy, seconds
                )
            )
            self.begun += time.perf_counter() - begun  # a pause by the user is no training

    # -- snapshots -------------------------------------------------------------------------------

    def _save(self, saver: Saver) -> None:
        begun = time.perf_counter()
        saver.save(self._snapshot())
        self.begun += time.perf_counter() - begun  # writing a file is no training

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
            **({"loop": self.loop.saved()} if self.loop else {}),
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
        self.mean_loss = self.curve[-1]["loss"] if self.curve else math.nan
        if self.loop:
            self.loop.load(state["loop"])
        restore_random(state["random"], self.context.device)


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
    if kind_of(context.data.shape) not in ("images", "tensors"):
        return False
    if recipe.channels_last == "auto":
        return context.device == "cuda" and kind_of(context.data.shape) == "images"
    return recipe.channels_last == "on"
