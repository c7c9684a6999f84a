"""The one training loop. Fine-tuning and distillation are losses handed to it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.nn import functional

from spaces.base import Candidate, Context, EpochEnd, InfeasibleCandidate, Step
from spaces.inputs import kind_of
from spaces.pruning.zeros import Zeros
from spaces.training import OPTIMIZERS, SCHEDULES
from spaces.training.augment import augmented
from spaces.training.recipe import Augment, Recipe
from spaces.training.teaching import Teaching

LOOK_EVERY = 50
"""Steps between two looks at the loss: each look makes a GPU wait."""


def train(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    *,
    stage: str,
) -> Candidate:
    """A trained copy of the candidate, on the CPU and in evaluation mode.

    The same seed gives the same weights on the same machine; torch's global random state is left
    as it was.

    Args:
        candidate: What to train; left as it was.
        recipe: How.
        context: Data, device, seed, distillation and its teacher, and who is told after each epoch.
        stage: Name of the stage, for reports.

    Raises:
        InfeasibleCandidate: The loss or a weight became NaN or infinite, the teacher is missing
            or has other classes, or text is to be augmented.
    """
    if recipe.augment != Augment() and kind_of(candidate.shape) == "text":
        raise InfeasibleCandidate("augmentation changes images, and the data is text")
    model = copy.deepcopy(candidate.model).to(context.device)
    begun = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(context.seed)  # dropout, and whatever the model draws itself
        zeros = Zeros(model, candidate.history)
        loss = _Loop(model, recipe, context, stage, zeros).run()
    seconds = time.perf_counter() - begun
    model = model.to("cpu").to(memory_format=torch.contiguous_format).eval()
    _check_finite(model, stage)
    model.zero_grad(set_to_none=True)
    examples = recipe.epochs * context.data.size("train")
    info = {
        "stage": stage,
        "seconds": round(seconds, 3),
        "loss": loss if recipe.epochs else None,
        "examples_per_second": round(examples / seconds, 1),
    }
    params = {
        "recipe": recipe.to_json(),
        "distillation": context.distillation.dump() if context.distillation else None,
    }
    return candidate.then(model, Step("train", params, info))


class _Loop:
    """One run of the loop; holds what its steps share."""

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
        if _channels_last(recipe, context.device):
            model.to(memory_format=torch.channels_last)
        self.teaching = Teaching(model, context, recipe) if context.distillation else None
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if self.teaching:
            self.parameters += self.teaching.parameters
        entry = OPTIMIZERS.get(recipe.optimizer.name)
        self.optimizer: torch.optim.Optimizer = entry.build(
            self.parameters, recipe.optimizer.params
        )
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.factor: Callable[[Any, float], float] = SCHEDULES.get(recipe.schedule.name).factor
        self.autocast, scaled = _precision(recipe, context.device)
        self.scaler = torch.amp.GradScaler(context.device, enabled=scaled)
        self.steps = math.ceil(context.data.size("train") / recipe.batch_size)

    def run(self) -> float:
        """All epochs; gives the last one's mean loss."""
        try:
            return self._epochs()
        finally:
            if self.teaching:
                self.teaching.close()

    def _epochs(self) -> float:
        loss = math.nan
        for epoch in range(self.recipe.epochs):
            begun = time.perf_counter()
            loss, accuracy = self._epoch(epoch)
            self.context.report(
                EpochEnd(
                    self.stage,
                    epoch + 1,
                    self.recipe.epochs,
                    loss,
                    accuracy,
                    time.perf_counter() - begun,
                )
            )
        return loss

    def _epoch(self, epoch: int) -> tuple[float, float]:
        """One pass over the training part; gives mean loss and training accuracy."""
        self.model.train()
        data, device = self.context.data, self.context.device
        seed = (self.context.seed * 1_000_003 + epoch) % 2**31
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros((), device=device)
        right = torch.zeros((), device=device)
        seen = 0
        batches = data.batches("train", self.recipe.batch_size, seed=seed, device=device)
        if self.teaching:
            self.teaching.begin(seed)
        for step, (images, labels) in enumerate(batches):
            if len(labels) == 1 and seen:
                continue  # batch normalization cannot train on one example
            images = self._prepared(images, generator)
            self._set_rate((epoch + step / self.steps) / self.recipe.epochs)
            loss, logits = self._step(images, labels, step)
            total += loss.detach() * len(labels)
            right += (logits.detach().argmax(1) == labels).sum()
            seen += len(labels)
            if step % LOOK_EVERY == LOOK_EVERY - 1:
                self._check(total, epoch, step)
        self._check(total, epoch, self.steps - 1)
        return float(total) / max(seen, 1), float(right) / max(seen, 1)

    def _prepared(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        augment = self.recipe.augment
        if augment != Augment():
            images = augmented(images, augment, self.context.data.border(), generator)
        if images.ndim == 4 and _channels_last(self.recipe, self.context.device):
            images = images.contiguous(memory_format=torch.channels_last)
        return images

    def _step(
        self, images: torch.Tensor, labels: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        with self.autocast:
            logits = self.model(images)
            loss = functional.cross_entropy(
                logits, labels, label_smoothing=self.recipe.label_smoothing
            )
            if self.teaching:
                loss = self.teaching.loss(images, labels, logits, loss, step)
        torch.autograd.backward(self.scaler.scale(loss))
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.zeros.restore()
        return loss, logits

    def _set_rate(self, progress: float) -> None:
        factor = self.factor(self.recipe.schedule.params, progress)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def _check(self, total: torch.Tensor, epoch: int, step: int) -> None:
        value = float(total)
        if not math.isfinite(value):
            rate = self.optimizer.param_groups[0]["lr"]
            raise InfeasibleCandidate(
                f"the loss became {value} in epoch {epoch + 1} by step {step + 1} "
                f"({self.recipe.optimizer.name}, learning rate {rate:.3g})"
            )


def _check_finite(model: torch.nn.Module, stage: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InfeasibleCandidate(f"{name} is not finite after {stage}")


def _precision(recipe: Recipe, device: str) -> tuple[AbstractContextManager[Any], bool]:
    """The autocast context, and whether gradients must be scaled.

    On a CPU `auto` stays in float32: bfloat16 pays only where the processor multiplies in it.
    """
    kind = recipe.amp
    if kind == "auto":
        kind = "off"
        if device == "cuda":
            kind = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if kind == "off":
        return nullcontext(), False
    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float16
    return torch.autocast(device, dtype=dtype), kind == "float16" and device == "cuda"


def _channels_last(recipe: Recipe, device: str) -> bool:
    """On a GPU with tensor cores it helps; on two CPU cores small networks lost a few per cent."""
    if recipe.channels_last == "auto":
        return device == "cuda"
    return recipe.channels_last == "on"
