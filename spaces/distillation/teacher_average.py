"""Several teachers as one network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class TeacherAverage(nn.Module):
    """Gives the logarithm of its members' mean class probabilities, [B, classes].

    It averages probabilities because the scale of logits differs between networks: in a mean of
    logits, the network with the largest scale would decide alone.

    Args:
        members: Two networks or more, with the same classes.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Returns log probabilities [B, classes], which serve as logits."""
        log_shares = [member(inputs).float().log_softmax(dim=1) for member in self.members]
        return torch.stack(log_shares).logsumexp(dim=0) - torch.tensor(len(log_shares)).log()
