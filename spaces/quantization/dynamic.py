"""Dynamic int8: weights stored in 8 bits, activations quantized while the network runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from spaces.base import Candidate, Context
from spaces.inputs import Shape
from spaces.params import Params
from spaces.quantization.marking import marked

if TYPE_CHECKING:
    import torch


class Dynamic:
    """int8 weights, activations quantized at run time; needs no calibration."""

    name = "dynamic"
    version = 1

    class Params(Params):
        """Options of dynamic quantization."""

        per_channel: bool = Field(False, description="a scale for each output channel")

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The candidate, marked.

        Raises:
            InfeasibleCandidate: A weight is not finite.
        """
        return marked(candidate, "dynamic", params)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """The model itself: quantization happens in the runtime's file."""
        return model
