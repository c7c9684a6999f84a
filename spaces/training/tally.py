"""The sums of an epoch: loss, correct examples, and their number."""

from __future__ import annotations

import math

import torch

from paretune.spaces.base import InfeasibleCandidate


class Tally:
    """Adds up the batches of one epoch on the device, so that a GPU need not wait.

    Args:
        device: Device of the losses.

    Attributes:
        seen: Number of examples.
    """

    def __init__(self, device: str) -> None:
        self.total = torch.zeros((), device=device)
        self.correct: torch.Tensor | None = torch.zeros((), device=device)
        self.seen = 0

    def add(self, loss: torch.Tensor, correct: torch.Tensor | None, count: int) -> None:
        """Adds a batch.

        Args:
            loss: Mean loss of the batch.
            correct: Number of correct examples; None if the task has no such number.
            count: Number of examples.
        """
        self.total += loss.detach() * count
        if correct is None:
            self.correct = None
        elif self.correct is not None:
            self.correct += correct
        self.seen += count

    @property
    def loss(self) -> float:
        """Mean loss of the examples."""
        return float(self.total) / max(self.seen, 1)

    @property
    def accuracy(self) -> float | None:
        """Share of correct examples; None if the task has no such number."""
        return None if self.correct is None else float(self.correct) / max(self.seen, 1)

    def check(self, when: str) -> None:
        """Refuses a loss that is NaN or infinite.

        Args:
            when: The time and the optimizer, for the error.

        Raises:
            InfeasibleCandidate: The sum is not finite.
        """
        value = float(self.total)
        if not math.isfinite(value):
            raise InfeasibleCandidate(f"the loss became {value} {when}")
