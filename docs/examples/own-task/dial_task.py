"""Hands the dial reader to Paretune: its model, batches, loss and score."""

from __future__ import annotations

from collections.abc import Callable

import dial
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader


class Reading:
    """Reads dials; any object with these four members is a task."""

    def model(self) -> nn.Module:
        """Returns the network with its weights."""
        net = dial.Net()
        net.load_state_dict(torch.load(dial.WEIGHTS, weights_only=True))
        return net

    def batches(self, part: str) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
        """Returns the loader of "train", "validation" or "test"."""
        return dial.loader(part)

    def loss(self, outputs: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
        """Returns the mean loss of a batch."""
        return dial.angle_loss(outputs, angles)

    def score(
        self, predict: Callable[[torch.Tensor], np.ndarray], part: str
    ) -> dict[str, np.ndarray]:
        """Returns the error of each example; Paretune reports the mean with its interval."""
        errors = [
            dial.degrees_off(torch.from_numpy(predict(pictures)), angles)
            for pictures, angles in dial.loader(part)
        ]
        return {"error": torch.cat(errors).numpy()}
