"""The one training loop. Fine-tuning and distillation are losses handed to it."""

from __future__ import annotations

import copy
import math
import time
from contextlib import nullcontext
from typing import Any

import torch

from spaces.base import Candidate, Context, EpochEnd, InfeasibleCandidate, Step
from spaces.inputs import kind_of
from spaces.pruning.zeros import Zeros
from spaces.training import OPTIMIZERS
from spaces.training.augment import augmented
from spaces.training.compiling import compiler
from spaces.training.ema import Average
from spaces.training.freezing import Trunk
from spaces.training.mixing import Labels, mixed
from spaces.training.precision import Precision
from spaces.training.rates import Rates
from spaces.training.recipe import Augment, Recipe
from spaces.training.stopping import Monitor
from spaces.training.teaching import Teaching

LOOK_EVERY = 50
"""Steps between two looks at the loss: each look makes a GPU wait."""


def train(candidate: Candidate, recipe: Recipe, context: Context, *, stage: str) -> Candidate:
    """A trained copy of the candidate, on the CPU and in evaluation mode.

    The same seed gives the same weights on the same machine; torch's global random state is left
    as it was.

    Args:
        candidate: What to train; left as it was.
        recipe: How.
        context: Data, device, seed, distillation and its teacher, and who is told after each epoch.
        stage: Name of the stage, for reports.

    Raises:
        InfeasibleCandidate: The loss or a weight became NaN or infinite, the teacher is missing or
            has other classes, or the recipe does not fit the data, the network or the machine.
    """
    if recipe.augment != Augment() and kind_of(candidate.shape) == "text":
        raise InfeasibleCandidate("augmentation changes images, and the data is text")
    model = copy.deepcopy(candidate.model).to(context.device)
    begun = time.perf_counter()
    with torch.random.fork_rng(), compiler(recipe.compile):
        torch.manual_seed(context.seed)  # dropout, and whatever the model draws itself
        loop = _Loop(model, recipe, context, stage, Zeros(model, candidate.history))
        loop.run()
    seconds = time.perf_counter() - begun
    model = model.to("cpu").to(memory_format=torch.contiguous_format).eval()
    _check_finite(model, stage)
    model.zero_grad(set_to_none=True)
    info = {
        "stage": stage,
        "seconds": round(seconds, 3),
        **loop.info(),
        "examples_per_second": round(loop.seen / seconds, 1),
    }
    params = {
        "recipe": recipe.to_json(),
        "distillation": context.distillation.dump() if context.distillation else None,
    }
    return candidate.then(model, Step("train", params, info))


class _Loop:
    """One run of the loop; holds what its steps share.

    Attributes:
        seen: Examples of all epochs.
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
        self.seen = 0
        self.channels_last = _channels_last(recipe, context)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        self.teaching = Teaching(model, context, recipe) if context.distillation else None
        taught = self.teaching.parameters if self.teaching else []
        self.parameters = [*(p for p in model.parameters() if p.requires_grad), *taught]
        apart = recipe.freeze_epochs or recipe.trunk_lr < 1
        self.trunk = Trunk(model, context.data.classes) if apart else None
        self.optimizer = _optimizer(self.parameters, self.trunk, recipe)
        self.rates = Rates(self.optimizer, recipe.schedule)
        self.precision = Precision(recipe.amp, context.device)
        self.average = Average(model, recipe.ema) if recipe.ema else None
        self.monitor = Monitor(recipe, context)
        self.forward: Any = torch.compile(model) if recipe.compile else model
        self.examples, self.batches = _trained_on(context.data.size("train"), recipe.batch_size)
        self.loss = math.nan

    def run(self) -> None:
        """All epochs, or fewer; leaves in the model the weights that the stage returns."""
        try:
            self._epochs()
        finally:
            if self.teaching:
                self.teaching.close()
        if self.average:
            self.average.put()
        self.monitor.restore(self.model)
        if self.trunk:
            self.trunk.thaw()

    def _epochs(self) -> None:
        for epoch in range(self.recipe.epochs):
            begun = time.perf_counter()
            self.loss, accuracy = self._epoch(epoch)
            looks = self.average and self.monitor.looks
            with self.average.lent() if self.average and looks else nullcontext():
                self.monitor.hear(self.loss, self.model)
            self.rates.hear(self.monitor.losses)
            seconds = time.perf_counter() - begun
            self.context.report(
                EpochEnd(self.stage, epoch + 1, self.recipe.epochs, self.loss, accuracy, seconds)
            )
            if self.monitor.stopped:
                break

    def info(self) -> dict[str, Any]:
        """What came of it, as JSON."""
        epochs = len(self.monitor.losses)
        info = {"loss": self.loss if epochs else None, "epochs": epochs}
        return {**info, "stopped": self.monitor.stopped} if self.monitor.stopped else info

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
            self.context.breathe()
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
            self.trunk.thaw()

    def _prepared(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, Labels]:
        augment, targets = self.recipe.augment, Labels(labels)
        if augment != Augment():
            data = self.context.data
            images = augmented(images, augment, data.border(), data.white(), generator)
            images, targets = mixed(images, labels, augment, generator)
        if self.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, targets

    def _step(
        self, images: torch.Tensor, targets: Labels, step: int
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


def _optimizer(
    parameters: list[torch.nn.Parameter], trunk: Trunk | None, recipe: Recipe
) -> torch.optim.Optimizer:
    """The recipe's optimizer; the trunk is a group of its own where its rate differs."""
    groups: list[Any] = parameters
    if trunk and recipe.trunk_lr < 1:
        slow = {id(p) for p in trunk.parameters}
        fast = [p for p in parameters if id(p) not in slow]
        groups = [{"params": fast}, {"params": trunk.parameters}]
    made: torch.optim.Optimizer = OPTIMIZERS.get(recipe.optimizer.name).build(
        groups, recipe.optimizer.params
    )
    if groups is not parameters:
        made.param_groups[1]["lr"] *= recipe.trunk_lr
    return made


def _trained_on(size: int, batch_size: int) -> tuple[int, int]:
    """(examples, batches) of an epoch: without a last batch of a single example."""
    if size > 1 and batch_size > 1 and size % batch_size == 1:
        size -= 1
    return size, math.ceil(size / batch_size)


def _check_finite(model: torch.nn.Module, stage: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InfeasibleCandidate(f"{name} is not finite after {stage}")


def _channels_last(recipe: Recipe, context: Context) -> bool:
    """On a GPU with tensor cores it helps; on two CPU cores small networks lost a few per cent."""
    if kind_of(context.data.shape) == "text":
        return False
    if recipe.channels_last == "auto":
        return context.device == "cuda"
    return recipe.channels_last == "on"
