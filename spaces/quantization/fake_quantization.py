"""Fake quantization: values are rounded as in 8 bits but stay float, so that gradients pass."""

from __future__ import annotations

import torch
from torch import nn

LEVELS = 255
"""Number of steps between the smallest and the largest uint8."""


class FakeActivation(nn.Module):
    """Rounds activations to 256 values between `low` and `high`; 0 is one of them.

    In training the range follows the smallest and largest value of each batch by an exponential
    moving average (Jacob et al. 2018, section 3.1, https://arxiv.org/abs/1712.05877). Gradients
    pass unchanged inside the range and are 0 outside.

    Args:
        momentum: Weight of a new batch in the average, in [0, 1].
    """

    low: torch.Tensor
    high: torch.Tensor

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.widening = False
        """Whether inputs pass unrounded and only widen the range, so that it contains them."""
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    def forward(self, x: torch.Tensor, follows: bool = False) -> torch.Tensor:
        """Returns the rounded tensor, [...] -> [...].

        Args:
            x: A float32 tensor.
            follows: Whether this tensor only uses the range, which another tensor determines.
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
        """Returns the scale and the zero point in 0 .. 255 as ONNX Runtime computes them."""
        width = (self.high - self.low).double() / LEVELS
        scale = torch.where(width > torch.finfo(torch.float32).tiny, width, 1.0)
        zero = torch.round(-self.low.double() / scale).clamp(0, LEVELS)
        return scale.float(), zero.to(torch.int32)

    def _follow(self, x: torch.Tensor) -> None:
        low, high = (bound.float() for bound in torch.aminmax(x))
        low, high = low.clamp(max=0), high.clamp(min=0)  # padding is 0, so 0 must be exact
        if self.widening:
            self.low.copy_(torch.minimum(self.low, low))
            self.high.copy_(torch.maximum(self.high, high))
        else:
            self.low.lerp_(low, self.momentum)
            self.high.lerp_(high, self.momentum)


class TensorMark(nn.Module):
    """Identifies a tensor in an export; does nothing elsewhere.

    In an export it is a fake quantization with the tensor's number as its scale.

    Args:
        number: The tensor's number, from 1.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the same tensor, [...] -> [...]."""
        if torch.onnx.is_in_onnx_export():
            return torch.fake_quantize_per_tensor_affine(x, float(self.number), 0, 0, LEVELS)
        return x


class FakeWeight(nn.Module):
    """A parametrization that rounds a weight to signed 8-bit values, symmetric about 0.

    Args:
        axis: Axis of the output channels, with one scale each; None is one scale for all.
        levels: Largest stored value: 127, or 64 in the reduced range.
    """

    def __init__(self, axis: int | None, levels: int) -> None:
        super().__init__()
        self.axis = axis
        self.levels = levels

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Returns the rounded weight [out, in, ...]; unrounded in an export, for the quantizer."""
        if torch.onnx.is_in_onnx_export():
            return weight
        return rounded_weight(weight, self.axis, self.levels)


def has_fake_quantization(model: nn.Module) -> bool:
    """Returns whether the network contains fake quantization: it was trained for int8."""
    return any(isinstance(module, (FakeActivation, FakeWeight)) for module in model.modules())


def rounded_weight(weight: torch.Tensor, axis: int | None, levels: int) -> torch.Tensor:
    """Returns a weight as int8 stores it; gradients pass unchanged.

    Args:
        weight: A float32 weight.
        axis: Axis of the channels, with one scale each; None is one scale for all.
        levels: Largest stored value.
    """
    magnitude = weight.detach().abs()
    if axis is None:
        scale = _scale(magnitude.amax(), levels)
        return torch.fake_quantize_per_tensor_affine(
            weight, scale, torch.zeros_like(scale, dtype=torch.int32), -levels, levels
        )
    others = [d for d in range(weight.ndim) if d != axis]
    scale = _scale(magnitude.amax(dim=others), levels)
    return torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros_like(scale, dtype=torch.int32), axis, -levels, levels
    )


def _scale(largest: torch.Tensor, levels: int) -> torch.Tensor:
    scale = largest.double() / levels
    return torch.where(scale > torch.finfo(torch.float32).tiny, scale, 1.0).float()
