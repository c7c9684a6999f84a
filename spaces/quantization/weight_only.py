"""Weight-only quantization: linear layers store 4- or 8-bit weights and compute in float."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.spaces.quantization.request import with_request

if TYPE_CHECKING:
    import torch

LEAST_SHARE = 0.05
"""Smallest share of a network's weights that must be in linear layers.

With fewer the file hardly shrinks, while the kernels for few bits cost time.
"""


class WeightOnly:
    """Stores weights of linear layers in int4 or int8 blocks; all else stays in float."""

    name = "weight_only"
    version = 1

    class Params(Params):
        """Options of weight-only quantization."""

        bits: Literal[4, 8] = Field(4, description="bits of a stored weight")
        block: Literal[16, 32, 64, 128, 256] = Field(
            32, description="number of input weights that share a scale"
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate with the request.

        Raises:
            InfeasibleCandidate: Linear layers with at least `block` inputs hold less than
                LEAST_SHARE of the weights, or a weight is not finite.
        """
        WeightOnly.check(candidate.model, params)
        share = _share(candidate.model, params.block)
        return with_request(candidate, "weight_only", params, {"share": round(share, 4)})

    @staticmethod
    def check(model: torch.nn.Module, params: Params) -> None:
        """Refuses a network with too few weights to quantize, trained or not.

        Raises:
            InfeasibleCandidate: Linear layers hold less than LEAST_SHARE of the weights.
        """
        share = _share(model, params.block)
        if share < LEAST_SHARE:
            raise InfeasibleCandidate(
                f"weight_only int{params.bits}: linear layers with at least {params.block} inputs "
                f"hold {share:.1%} of the weights; convolutions are not quantized this way"
            )

    outline = apply  # depends on shapes only

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: the runtime quantizes the artifact instead."""
        return model


def _share(model: torch.nn.Module, block: int) -> float:
    """Returns the share of all weights in linear layers with at least `block` inputs."""
    from torch import nn

    total = sum(p.numel() for p in model.parameters())
    linear = {
        id(m.weight): m.weight.numel()
        for m in model.modules()
        if isinstance(m, nn.Linear) and m.in_features >= block
    }
    return sum(linear.values()) / total if total else 0.0
