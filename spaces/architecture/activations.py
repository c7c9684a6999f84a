"""Activation functions that a family offers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

Activation = Literal["relu", "gelu", "silu"]


def activation(name: Activation) -> nn.Module:
    """Returns a new module of an activation function."""
    from torch import nn

    modules: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
    return modules[name]()
