"""Dynamic int8: weights are stored in 8 bits, activations are quantized while the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization.request import Int8Params, with_int8_request

if TYPE_CHECKING:
    import torch


class Dynamic:
    """Stores int8 weights and quantizes activations at run time; needs no calibration."""

    name = "dynamic"
    version = 1

    class Params(Int8Params):
        """Options of dynamic quantization."""

        reduce_range: bool = Field(
            False, description="store 7-bit weights, so that no sum saturates on x86 without VNNI"
        )
        per_channel: bool = Field(
            False, description="use one scale for each output channel of a weight"
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate with the request.

        Raises:
            InfeasibleCandidate: A weight is not finite, or no layer is left to quantize.
        """
        return with_int8_request(candidate, "dynamic", params, context)

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """Returns the result of `apply`, or None if trained weights decide what stays float."""
        return None if params.keep_float else Dynamic.apply(candidate, params, context)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: the runtime quantizes the artifact instead."""
        return model
