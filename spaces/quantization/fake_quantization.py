"""Fake quantization: values rounded as in 8 bits, kept in float so that gradients pass."""

from __future__ import annotations

import torch
from torch import nn

LEVELS = 255
"""Steps between the smallest and the largest uint8."""


class FakeActivation(nn.Module):
    """Rounds activations to 256 values between `low` and `high`, of which 0 is one.

    While it trains, the range follows the batches' smallest and largest values as an exponential
    moving average (Jacob et al. 2018, section 3.1, https://arxiv.org/abs/1712.05877). Gradients
    pass straight through inside of the range and are 0 outside.

    Args:
        momentum: Share of a new batch in the range.
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.widening = False
        """Only look, and widen the range to hold everything that passes."""
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    def forward(self, x: torch.Tensor, follows: bool = False) -> torch.Tensor:
        """[...] -> [...].

        Args:
            x: float32.
            follows: This tensor only uses the range; another one makes it.
        """
        if torch.onnx.is_in_onnx_export():
            scale, zero = self.step()
            return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), 0, LEVELS)
        if self.widening or (self.training and not follows):
            self._follow(x.detach())
        if self.widening:
            return x
        scale, zero = self.step()
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LEVELS)

    def step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale, and zero point in 0 .. 255: as ONNX Runtime's quantizer makes them of a range."""
        width = (self.high - self.low).double() / LEVELS
        scale = torch.where(width > torch.finfo(torch.float32).tiny, width, 1.0)
        zero = torch.round(-self.low.double() / scale).clamp(0, LEVELS)
        return scale.float(), zero.to(torch.int32)

    def _follow(self, x: torch.Tensor) -> None:
        low, high = (bound.float() for bound in torch.aminmax(x))
        low, high = low.clamp(max=0), high.clamp(min=0)  # 0 must be exact: padding is made of it
        if self.widening:
            self.low.copy_(torch.minimum(self.low, low))
            self.high.copy_(torch.maximum(self.high, high))
        else:
            self.low.lerp_(low, self.momentum)
            self.high.lerp_(high, self.momentum)


class TensorMark(nn.Module):
    """Nothing; in an export a fake quantization that shows which tensor this is.

    Args:
        number: Its scale in the export.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[...] -> the same."""
        if torch.onnx.is_in_onnx_export():
            return torch.fake_quantize_per_tensor_affine(x, float(self.number), 0, 0, LEVELS)
        return x


class FakeWeight(nn.Module):
    """Rounds a weight to signed 8-bit values, symmetrically about 0; a parametrization.

    Args:
        axis: Of the output channels, each of which has a scale of its own; None: one for all.
        levels: Largest value: 127, or 64 in the reduced range.
    """

    def __init__(self, axis: int | None, levels: int) -> None:
        super().__init__()
        self.axis = axis
        self.levels = levels

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """[out, in, ...] -> the same, rounded; in an export as it is, for the quantizer."""
        if torch.onnx.is_in_onnx_export():
            return weight
        return rounded_weight(weight, self.axis, self.levels)


def rounds(model: nn.Module) -> bool:
    """Whether the network itself rounds, in float: it was trained for int8."""
    return any(isinstance(module, (FakeActivation, FakeWeight)) for module in model.modules())


def rounded_weight(weight: torch.Tensor, axis: int | None, levels: int) -> torch.Tensor:
    """A weight as int8 stores it; gradients pass straight through.

    Args:
        weight: float32.
        axis: Of the channels that have a scale each; None: one scale.
        levels: Largest stored value.
    """
    size = weight.detach().abs()
    if axis is None:
        scale = _scale(size.amax(), levels)
        return torch.fake_quantize_per_tensor_affine(
            weight, scale, torch.zeros_like(scale, dtype=torch.int32), -levels, levels
        )
    others = [d for d in range(weight.ndim) if d != axis]
    scale = _scale(size.amax(dim=others), levels)
    return torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros_like(scale, dtype=torch.int32), axis, -levels, levels
    )


def _scale(largest: torch.Tensor, levels: int) -> torch.Tensor:
    scale = largest.double() / levels
    return torch.where(scale > torch.finfo(torch.float32).tiny, scale, 1.0).float()
