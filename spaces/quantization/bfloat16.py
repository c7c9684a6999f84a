"""Weights stored in bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context
from paretune.spaces.params import Params
from paretune.spaces.quantization.request import with_request

if TYPE_CHECKING:
    import torch


class BFloat16:
    """Stores weights in bfloat16, half the bytes; ONNX Runtime computes in float32."""

    name = "bfloat16"
    version = 1
    note_for: ClassVar[str] = "onnxruntime"
    note: ClassVar[str] = (
        "bfloat16 halves the file; ONNX Runtime casts to float32 and is not faster"
    )

    class Params(Params):
        """No options."""

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate with the request; weights keep 8 significant bits in the file.

        Raises:
            InfeasibleCandidate: A weight is not finite.
        """
        return with_request(candidate, "bfloat16", params)

    outline = apply  # depends on shapes only

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: the runtime quantizes the artifact instead."""
        return model
