"""Mixed precision: autocast, and loss scaling for float16."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


class Precision:
    """Runs a recipe's `amp` on a device.

    On a CPU `auto` stays in float32, because bfloat16 is faster only on processors that multiply in
    it. Small gradients vanish in float16, so the loss is scaled up and the gradients are scaled
    down (https://arxiv.org/abs/1710.03740). bfloat16 has the range of float32 and needs no scaling.

    Args:
        kind: "auto", "off", "bfloat16" or "float16".
        device: "cpu", "cuda" or "mps".
    """

    def __init__(self, kind: str, device: str) -> None:
        if kind == "auto":
            kind = "off"
            if device == "cuda":
                kind = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        self.kind = kind
        self.autocast: AbstractContextManager[Any] = nullcontext()
        if kind != "off":
            self.autocast = torch.autocast(device, dtype=getattr(torch, kind))
        scaled = kind == "float16" and device in ("cpu", "cuda")
        self.scaler = torch.amp.GradScaler(device, enabled=scaled)

    def backward(self, loss: torch.Tensor) -> None:
        """Adds the scaled gradients of a loss."""
        torch.autograd.backward(self.scaler.scale(loss))

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        parameters: list[torch.nn.Parameter],
        clip: float | None,
    ) -> None:
        """Makes one step of the optimizer, or none if a scaled gradient overflowed."""
        if clip is not None:
            self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        self.scaler.step(optimizer)
        self.scaler.update()
