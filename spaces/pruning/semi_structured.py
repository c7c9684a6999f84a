"""2:4 sparsity: two of every four weights along the input channels are zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.spaces.pruning.masking import Masks, with_masked_weights

if TYPE_CHECKING:
    import torch

GROUP = 4
"""Consecutive input channels in a group."""

KEPT_WEIGHTS = 2
"""Weights of a group that are not made zero."""


class SemiStructured:
    """Sets the two smallest of every four weights along the input channels to zero (2:4)."""

    name = "semi_structured"
    version = 1
    note: ClassVar[str] = (
        "2:4 zeros help on GPUs with sparse tensor cores and in compressed files (objective size "
        "with compressed: true), not in dense runtimes"
    )

    class Params(Params):
        """Options of 2:4 pruning."""

        ignore: list[str] = Field([], description="names of modules that are not pruned")

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the pruned candidate; `info` has each layer's zeros and the skipped layers.

        As the hardware requires (Mishra et al. 2021, https://arxiv.org/abs/2104.08378), the four
        weights are neighbours along the input dimension: of [out, in], or of [out, in, H, W] for
        each kernel position. A layer is skipped if its number of inputs is not a multiple of 4.

        Raises:
            InfeasibleCandidate: No layer fits, or the network has no module of an ignored name.
        """

        def make(weights: dict[str, torch.Tensor]) -> tuple[Masks, dict[str, Any]]:
            skipped = {n: _misfit(w) for n, w in weights.items() if w.shape[1] % GROUP}
            if len(skipped) == len(weights):
                layers = ", ".join(
                    f"{name}: {reason}" for name, reason in list(skipped.items())[:3]
                )
                raise InfeasibleCandidate(f"2:4 pruning fits no layer ({layers})")
            masks = {n: _mask(w) for n, w in weights.items() if n not in skipped}
            return masks, {"skipped": skipped}

        return with_masked_weights(candidate, SemiStructured.name, params, make)

    outline = apply  # no shape changes

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: all shapes are the same."""
        return model


def _misfit(weight: torch.Tensor) -> str:
    return f"{weight.shape[1]} input channels, no multiple of {GROUP}"


def _mask(weight: torch.Tensor) -> torch.Tensor:
    """Returns a mask [out, in, ...] with 1 for the two largest of each four inputs."""
    import torch

    last = weight.detach().abs().transpose(1, -1)  # [out, ..., in]
    groups = last.reshape(-1, GROUP)
    order = torch.argsort(groups, dim=1, descending=True, stable=True)
    mask = torch.zeros_like(groups).scatter_(1, order[:, :KEPT_WEIGHTS], 1.0)
    return mask.reshape(last.shape).transpose(1, -1)
