"""Distillation of logits (Hinton, Vinyals, Dean 2015, https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from spaces.params import Params

if TYPE_CHECKING:
    import torch


class Logits:
    """Learns the teacher's softened class probabilities beside the labels."""

    class Params(Params):
        """Options of logits."""

        temperature: float = Field(4.0, gt=0, le=100, description="softens both distributions")
        alpha: float = Field(0.5, ge=0, le=1, description="weight of the teacher; 0: labels alone")

    @staticmethod
    def loss(
        params: Params, logits: torch.Tensor, taught: torch.Tensor, hard: torch.Tensor
    ) -> torch.Tensor:
        """(1 - alpha) * hard + alpha * T^2 * KL(teacher || student), a scalar.

        The factor T^2 keeps the soft loss's gradients at the same scale for every temperature.

        Args:
            params: Temperature T and alpha.
            logits: Of the student, [B, classes].
            taught: Of the teacher, [B, classes].
            hard: The loss against the labels, a scalar.
        """
        from torch.nn import functional

        temperature = params.temperature
        soft = functional.kl_div(
            functional.log_softmax(logits / temperature, dim=1),
            functional.log_softmax(taught / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - params.alpha) * hard + params.alpha * temperature**2 * soft
