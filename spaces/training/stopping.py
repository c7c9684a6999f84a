"""The loss that is monitored after each epoch, and the early end of the training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from paretune.inputs import call
from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.example_count import example_count
from paretune.spaces.training.recipe import Recipe

BATCH = 512
"""Examples in a batch for the validation loss."""


def epochs_without_improvement(losses: Sequence[float], min_delta: float) -> int:
    """Returns the epochs since the last improvement.

    An epoch is an improvement if its loss is more than `min_delta` below the lowest one before.
    """
    best, waiting = float("inf"), 0
    for loss in losses:
        improved = loss < best - min_delta
        best, waiting = (loss, 0) if improved else (best, waiting + 1)
    return waiting


class Monitor:
    """Monitors the loss that the recipe selects, for `early_stop` and the schedule `plateau`.

    `training` is the mean loss of the epoch; it costs nothing and uses no held-out example.
    `validation` is the mean loss on the validation part, of the recipe or the task, without label
    smoothing and without a teacher. The search also scores networks there, so weights chosen by it
    look a little better there than on the test part.

    Attributes:
        losses: Losses of all past epochs.
        stopped: Reason of an early end, or None.
    """

    def __init__(self, recipe: Recipe, context: Context) -> None:
        self.losses: list[float] = []
        self.stopped: str | None = None
        self._stop = recipe.early_stop
        self._validates = recipe.monitor == "validation"
        self._context = context
        self._loss = (
            BatchLoss(context.data, recipe.loss, device=context.device) if self._validates else None
        )
        self._kept: dict[str, torch.Tensor] | None = None

    @property
    def uses_model(self) -> bool:
        """Whether `observe` uses the model and not only the training loss."""
        return self._validates or bool(self._stop.patience and self._stop.best)

    def observe(self, loss: float, model: torch.nn.Module) -> None:
        """Takes an epoch's training loss and the model after it; may set `stopped`."""
        if self._loss:
            loss = validation_loss(model, self._context, self._loss)
        self.losses.append(loss)
        if not self._stop.patience:
            return
        waiting = epochs_without_improvement(self.losses, self._stop.min_delta)
        if self._stop.best and not waiting:
            self._kept = copy.deepcopy(model.state_dict())
        if waiting >= self._stop.patience:
            part = "validation" if self._validates else "training"
            self.stopped = f"{part} loss has not improved for {waiting} epochs"

    def state(self) -> dict[str, Any]:
        """Returns the state, for `load`."""
        return {"losses": self.losses, "stopped": self.stopped, "kept": self._kept}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of another monitor."""
        self.losses, self.stopped = list(state["losses"]), state["stopped"]
        self._kept = state["kept"]

    def restore(self, model: torch.nn.Module) -> None:
        """Loads the weights of the best epoch, if the recipe asks for them."""
        if self._kept is not None:
            model.load_state_dict(self._kept)


def validation_loss(model: torch.nn.Module, context: Context, loss: BatchLoss) -> float:
    """Returns the mean loss of the validation examples; sets the model to evaluation mode.

    Raises:
        InfeasibleCandidate: The loss is no scalar, or the part has no batch.
    """
    model.eval()
    total, count = torch.zeros((), device=context.device), 0
    with torch.inference_mode():
        for inputs, targets in context.data.batches("validation", BATCH, device=context.device):
            examples = example_count(inputs)
            total += loss.total(call(model, inputs), targets, examples)
            count += examples
    if not count:
        raise InfeasibleCandidate(
            "the validation part gives no batch, so it has no loss to monitor"
        )
    return float(total) / count
