"""Static int8: weights and activations in 8 bits, scales from calibration images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from spaces.base import Candidate, Context
from spaces.inputs import Shape
from spaces.params import Params
from spaces.quantization.marking import marked

if TYPE_CHECKING:
    import torch


class Static:
    """int8 weights and activations, calibrated on training images."""

    name = "static"
    version = 1

    class Params(Params):
        """Options of static quantization."""

        images: int = Field(256, ge=1, le=100_000, description="training images to calibrate on")
        calibration: Literal["minmax", "entropy", "percentile"] = Field(
            "minmax", description="how an activation's range is found"
        )
        per_channel: bool = Field(True, description="a scale for each output channel of a weight")

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The candidate, marked.

        Raises:
            InfeasibleCandidate: A weight is not finite.
        """
        return marked(candidate, "static", params)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """The model itself: quantization happens in the runtime's file."""
        return model
