"""Several teachers as one network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from paretune.nests import Nest, form_of, leaves, mapped, nest_of
from paretune.task import Per


class TeacherAverage(nn.Module):
    """Gives the logarithm of its members' mean class probabilities, or the mean of other outputs.

    It averages probabilities because the scale of logits differs between networks: in a mean of
    logits, the network with the largest scale would decide alone.

    Args:
        members: Two networks or more, with outputs of the same form.
        class_scores: Whether each vector of outputs holds logits of classes.
        per: What has one vector of outputs.
    """

    def __init__(
        self, members: Sequence[nn.Module], class_scores: bool = True, per: Per = "example"
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self._class_scores = class_scores
        self._axis = -1 if per == "position" else 1

    def forward(self, *inputs: Any, **named: Any) -> Nest:
        """Returns outputs of the members' form; log probabilities, which serve as logits."""
        answers = [member(*inputs, **named) for member in self.members]
        columns = zip(*(leaves(answer) for answer in answers), strict=True)
        return nest_of(form_of(mapped(answers[0], lambda x: x)), [self._mean(c) for c in columns])

    def _mean(self, column: Sequence[torch.Tensor]) -> torch.Tensor:
        if not column[0].is_floating_point():
            return column[0]
        if not self._class_scores:
            return torch.stack([answer.float() for answer in column]).mean(0)
        log_shares = [answer.float().log_softmax(dim=self._axis) for answer in column]
        return torch.stack(log_shares).logsumexp(dim=0) - torch.tensor(len(log_shares)).log()
