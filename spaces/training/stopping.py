"""The loss that is watched after each epoch, and when it ends the training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from paretune.spaces.base import Context
from paretune.spaces.training.recipe import Recipe

BATCH = 512
"""Examples at a time when the validation part is looked at."""


def epochs_without_improvement(losses: Sequence[float], min_delta: float) -> int:
    """Epochs since the loss was last lower by more than `min_delta` than the lowest before it."""
    best, waiting = float("inf"), 0
    for loss in losses:
        improved = loss < best - min_delta
        best, waiting = (loss, 0) if improved else (best, waiting + 1)
    return waiting


class Monitor:
    """Watches the loss that the recipe names, for `early_stop` and the schedule `plateau`.

    `training` is the mean loss of the epoch: it costs nothing and looks at no held-out image.
    `validation` is the mean cross-entropy on the validation part, by which the search also measures
    accuracy: what is chosen by it looks a little better there than on the test part.

    Attributes:
        losses: Of all epochs so far.
        stopped: Why training ended early, or None.
    """

    def __init__(self, recipe: Recipe, context: Context) -> None:
        self.losses: list[float] = []
        self.stopped: str | None = None
        self._stop = recipe.early_stop
        self._validates = recipe.monitor == "validation"
        self._context = context
        self._kept: dict[str, torch.Tensor] | None = None

    @property
    def looks(self) -> bool:
        """Whether it looks at the model, and not only at the training loss."""
        return self._validates or bool(self._stop.patience and self._stop.best)

    def hear(self, loss: float, model: torch.nn.Module) -> None:
        """An epoch's training loss, and the model after it."""
        if self._validates:
            loss = validation_loss(model, self._context)
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
        """What it knows so far, for `load`."""
        return {"losses": self.losses, "stopped": self.stopped, "kept": self._kept}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what another one knew."""
        self.losses, self.stopped = list(state["losses"]), state["stopped"]
        self._kept = state["kept"]

    def restore(self, model: torch.nn.Module) -> None:
        """The weights of the best epoch, where they were asked for."""
        if self._kept is not None:
            model.load_state_dict(self._kept)


def validation_loss(model: torch.nn.Module, context: Context) -> float:
    """Mean cross-entropy on the validation part; leaves the model in evaluation mode."""
    model.eval()
    total = torch.zeros((), device=context.device)
    with torch.inference_mode():
        for images, labels in context.data.batches("validation", BATCH, device=context.device):
            total += functional.cross_entropy(model(images), labels, reduction="sum")
    return float(total) / context.data.size("validation")
