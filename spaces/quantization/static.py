"""Static int8: weights and activations in 8 bits, with scales from calibration inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization.request import OUTLINE_IMAGES, Int8Params, with_int8_request

if TYPE_CHECKING:
    import torch


class Static:
    """Computes with int8 weights and activations, calibrated on training data."""

    name = "static"
    version = 2

    class Params(Int8Params):
        """Options of static quantization."""

        images: int = Field(
            256,
            ge=1,
            le=100_000,
            description="training images (or texts) for the calibration",
        )
        calibration: Literal["minmax", "entropy", "percentile"] = Field(
            "minmax", description="method that chooses an activation's range"
        )
        percentile: float = Field(
            99.99,
            gt=50,
            le=100,
            description="percentage of values inside the range; used by calibration: percentile",
        )
        reduce_range: bool = Field(
            True, description="store 7-bit weights, so that no sum saturates on x86 without VNNI"
        )
        per_channel: bool = Field(
            True, description="use one scale for each output channel of a weight"
        )
        symmetric: bool = Field(
            False, description="restrict the zero points of activations to 0 and 128"
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate with a request for static int8, which the runtime carries out.

        Every convolution and matrix product will run in int8, including the products of two
        activations in attention. Layer normalization stays in float, and so does the softmax of an
        attention that masks padding.

        Raises:
            InfeasibleCandidate: A weight is not finite, or no layer is left to quantize.
        """
        return with_int8_request(candidate, "static", params, context)

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """Returns the result of `apply` with few calibration images.

        Returns None if `keep_float` is set, because trained weights decide which layers stay float.
        """
        if params.keep_float:
            return None
        quick = params.model_copy(update={"images": OUTLINE_IMAGES, "calibration": "minmax"})
        return Static.apply(candidate, quick, context)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: the runtime quantizes the artifact instead."""
        return model
