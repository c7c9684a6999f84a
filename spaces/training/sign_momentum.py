"""The optimizer class of `lion`, which torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class SignMomentum(torch.optim.Optimizer):
    """Lion (https://arxiv.org/abs/2302.06675, algorithm 2).

    With gradient g, mean m (0 at first) and rate lr, a step is
        w = w - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * w)
        m = beta2 * m + (1 - beta2) * g

    Args:
        parameters: Parameters to train, or groups of them.
        lr: Learning rate, above 0.
        betas: beta1 and beta2, each in [0, 1).
        weight_decay: Share of the weights that a step subtracts at a rate of 1; 0 or more.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes one step; weights without a gradient do not change.

        Args:
            closure: Not used; part of torch's interface.
        """
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            gradients = [w.grad for w in weights]
            means = [self._mean(w) for w in weights]
            beta1, beta2 = group["betas"]
            directions = torch._foreach_lerp(means, gradients, 1 - beta1)
            torch._foreach_sign_(directions)
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(weights, directions, alpha=-group["lr"])
            torch._foreach_lerp_(means, gradients, 1 - beta2)

    def _mean(self, weight: torch.Tensor) -> torch.Tensor:
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        mean: torch.Tensor = state["mean"]
        return mean
