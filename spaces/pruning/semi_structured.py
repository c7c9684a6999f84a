"""2:4 sparsity: of every four weights along the input channels two are zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.inputs import Shape
from paretune.spaces.params import Params
from paretune.spaces.pruning.masking import Masks, with_masked_weights

if TYPE_CHECKING:
    import torch

OF = 4
KEPT = 2


class SemiStructured:
    """Makes the two smallest of every four weights along the inputs zero (2:4)."""

    name = "semi_structured"
    version = 1
    note: ClassVar[str] = (
        "2:4 zeros pay on GPUs with sparse tensor cores and in compressed files (objective size "
        "with compressed: true), not in dense runtimes"
    )

    class Params(Params):
        """Options of semi_structured."""

        ignore: list[str] = Field([], description="modules to leave alone, by name")

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The thinned candidate; `info` holds each layer's zeros and the layers skipped, with why.

        As hardware wants it (Mishra et al. 2021, https://arxiv.org/abs/2104.08378), the four stand
        next to each other along the dimension that is summed over: [out, in] or, for each kernel
        position, [out, in, H, W]. A layer whose inputs are no multiple of 4 is skipped.

        Raises:
            InfeasibleCandidate: No layer fits, or there is no module of an ignored name.
        """

        def make(weights: dict[str, torch.Tensor]) -> tuple[Masks, dict[str, Any]]:
            skipped = {n: _unfit(w) for n, w in weights.items() if w.shape[1] % OF}
            if len(skipped) == len(weights):
                layers = ", ".join(f"{name}: {why}" for name, why in list(skipped.items())[:3])
                raise InfeasibleCandidate(f"2:4 pruning fits no layer ({layers})")
            masks = {n: _mask(w) for n, w in weights.items() if n not in skipped}
            return masks, {"skipped": skipped}

        return with_masked_weights(candidate, SemiStructured.name, params, make)

    outline = apply  # it changes no shape

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """The model itself: no shape changed."""
        return model


def _unfit(weight: torch.Tensor) -> str:
    return f"{weight.shape[1]} input channels, no multiple of {OF}"


def _mask(weight: torch.Tensor) -> torch.Tensor:
    """1 for the two largest of each four inputs, of the weight's shape [out, in, ...]."""
    import torch

    last = weight.detach().abs().transpose(1, -1)  # [out, ..., in]
    fours = last.reshape(-1, OF)
    order = torch.argsort(fours, dim=1, descending=True, stable=True)
    mask = torch.zeros_like(fours).scatter_(1, order[:, :KEPT], 1.0)
    return mask.reshape(last.shape).transpose(1, -1)
