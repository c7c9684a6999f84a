"""No quantization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context
from paretune.spaces.params import Params

if TYPE_CHECKING:
    import torch


class NoQuantization:
    """Keeps the network in float32."""

    name = "none"
    version = 1

    class Params(Params):
        """No options."""

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate unchanged."""
        return candidate

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged."""
        return model
