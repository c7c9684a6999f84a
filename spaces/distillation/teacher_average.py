"""Several teachers as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class TeacherAverage(nn.Module):
    """Gives the logarithm of its members' mean class probabilities, [B, classes].

    Probabilities and not logits: the scale of a network's logits is its own, and in a mean of
    logits the one with the largest would decide alone.

    Args:
        members: Two networks or more, with the same classes.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """The arguments are what each member takes; log probabilities are logits, too."""
        said = [member(inputs).float().log_softmax(dim=1) for member in self.members]
        return torch.stack(said).logsumexp(dim=0) - torch.tensor(len(said)).log()
