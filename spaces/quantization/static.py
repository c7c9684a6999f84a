"""Static int8: weights and activations in 8 bits, scales from calibration images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.spaces.base import Candidate, Context
from paretune.spaces.inputs import Shape
from paretune.spaces.quantization.request import OUTLINED, Int8Params, with_int8_request

if TYPE_CHECKING:
    import torch


class Static:
    """int8 weights and activations, calibrated on training images."""

    name = "static"
    version = 2

    class Params(Int8Params):
        """Options of static quantization."""

        images: int = Field(256, ge=1, le=100_000, description="training images to calibrate on")
        calibration: Literal["minmax", "entropy", "percentile"] = Field(
            "minmax", description="how an activation's range is found"
        )
        percentile: float = Field(
            99.99, gt=50, le=100, description="share in the range, in %, of calibration: percentile"
        )
        reduce_range: bool = Field(
            True, description="7-bit weights: no sum saturates on x86 without VNNI"
        )
        per_channel: bool = Field(True, description="a scale for each output channel of a weight")
        symmetric: bool = Field(
            False, description="activations: zero at 0 or in the middle of the range"
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The candidate, marked.

        Every convolution and product runs in int8, in attention those of two activations too; the
        softmax of attention that masks padding stays float, and so does layer normalization.

        Raises:
            InfeasibleCandidate: A weight is not finite, or no layer is left to quantize.
        """
        return with_int8_request(candidate, "static", params, context)

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """As `apply`, to be calibrated on few images; None where some layers stay float.

        Which those are the trained weights say.
        """
        if params.keep_float:
            return None
        quick = params.model_copy(update={"images": OUTLINED, "calibration": "minmax"})
        return Static.apply(candidate, quick, context)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """The model itself: quantization happens in the runtime's file."""
        return model
