"""A multilayer perceptron for tables, and for other small inputs of floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from paretune.inputs import Shape, shape_text, signature_of, varies
from paretune.spaces.architecture.activations import Activation, activation
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch
    from torch import nn

Width = Annotated[int, Field(ge=1, le=65536)]


class Mlp:
    """Fully connected layers for tables; other inputs of floats are flattened first."""

    version = 1
    takes = ("features", "series", "images", "tensors")

    class Params(Params):
        """Options of mlp."""

        depth: int = Field(2, ge=0, le=64, description="number of hidden layers")
        width: int = Field(128, ge=1, le=65536, description="units of each hidden layer")
        widths: Annotated[list[Width], Field(max_length=64)] | None = Field(
            None, description="units of each hidden layer in order; replaces depth and width"
        )
        norm: Literal["none", "batch"] = Field(
            "none", description="normalization of each hidden layer, before its activation"
        )
        activation: Activation = Field("relu", description="function after each hidden layer")
        dropout: float = Field(
            0.0, ge=0, lt=1, description="share of hidden units dropped, in training only"
        )

        def plan(self) -> list[int]:
            """Returns the units of each hidden layer."""
            return [self.width] * self.depth if self.widths is None else self.widths

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns a network: [B, F], [B, C, T], [B, C, H, W], ... -> [B, classes].

        Raises:
            InfeasibleCandidate: There are several inputs, or one that is not float32.
        """
        from torch import nn

        inputs = signature_of(shape).inputs
        if len(inputs) > 1 or inputs[0].dtype != "float32" or varies(shape):
            raise InfeasibleCandidate(
                f"mlp takes one input of float32 with a fixed size, but the data has "
                f"{shape_text(shape)}; give a network of your own: architecture: "
                '{python: "mine:Net"}'
            )
        sizes = inputs[0].shape
        layers: list[nn.Module] = [nn.Flatten()] if len(sizes) > 1 else []
        before = math.prod(sizes)
        for width in params.plan():
            layers += _hidden(before, width, params)
            before = width
        return nn.Sequential(*layers, nn.Linear(before, classes))


def _hidden(before: int, width: int, params: Mlp.Params) -> list[nn.Module]:
    """Returns one hidden layer: linear, normalization, activation, dropout."""
    from torch import nn

    layers: list[nn.Module] = [nn.Linear(before, width)]
    if params.norm == "batch":
        layers.append(nn.BatchNorm1d(width))
    layers.append(activation(params.activation))
    if params.dropout:
        layers.append(nn.Dropout(params.dropout))
    return layers
