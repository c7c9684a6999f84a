"""Weight-only quantization: linear layers store 4- or 8-bit weights and compute in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.keeping import is_within
from paretune.spaces.params import Params
from paretune.spaces.quantization.request import kept_request, with_request

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
        keep_options = kept_request(candidate)
        share = _checked_share(candidate.model, params, keep_options.get("keep", ()))
        info = {"share": round(share, 4), **keep_options}
        return with_request(candidate, "weight_only", params, info, **keep_options)

    @staticmethod
    def check(model: torch.nn.Module, params: Params) -> None:
        """Refuses a network with too few weights to quantize, trained or not.

        Raises:
            InfeasibleCandidate: Linear layers hold less than LEAST_SHARE of the weights.
        """
        _checked_share(model, params)

    outline = apply  # depends on shapes only

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: the runtime quantizes the artifact instead."""
        return model


def _checked_share(model: torch.nn.Module, params: Any, kept: Sequence[str] = ()) -> float:
    """Returns the share of the weights that are quantized.

    Raises:
        InfeasibleCandidate: It is less than LEAST_SHARE.
    """
    share = _share(model, params.block, kept)
    if share < LEAST_SHARE:
        outside = f" outside {', '.join(kept)} (keep)" if kept else ""
        raise InfeasibleCandidate(
            f"weight_only int{params.bits}: linear layers with at least {params.block} inputs "
            f"hold {share:.1%} of the weights{outside}; convolutions are not quantized this way"
        )
    return share


def _share(model: torch.nn.Module, block: int, kept: Sequence[str]) -> float:
    """Returns the share of all weights in linear layers with at least `block` inputs."""
    from torch import nn

    total = sum(p.numel() for p in model.parameters())
    linear = {
        id(m.weight): m.weight.numel()
        for name, m in model.named_modules()
        if isinstance(m, nn.Linear) and m.in_features >= block and not is_within(name, kept)
    }
    return sum(linear.values()) / total if total else 0.0
