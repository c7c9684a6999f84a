"""Unstructured pruning: sets single weights to zero; all shapes stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.base import Candidate, Context
from paretune.spaces.params import Params
from paretune.spaces.pruning.masking import Masks, with_masked_weights

if TYPE_CHECKING:
    import torch


class Unstructured:
    """Sets single weights to zero, the smallest or random ones; all shapes stay."""

    name = "unstructured"
    version = 1
    note: ClassVar[str] = (
        "the zeros of unstructured pruning make neither dense runtimes faster nor their files "
        "smaller; they show in the objective size with compressed: true"
    )

    class Params(Params):
        """Options of unstructured pruning."""

        criterion: Literal["l1", "random"] = Field(
            "l1", description="weights that become zero: the smallest (l1) or random ones"
        )
        ratio: float = Field(ge=0, lt=1, description="share of the weights that become zero")
        scope: Literal["uniform", "global"] = Field(
            "uniform",
            description="the same ratio in each layer (uniform), or one ranking of the weights of "
            "all layers (global)",
        )
        ignore: list[str] = Field([], description="names of modules that are not pruned")

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the pruned candidate; `info` has each layer's zeros.

        The masks are those of `torch.nn.utils.prune` (`l1_unstructured`, `random_unstructured`,
        `global_unstructured`), multiplied into the weights permanently. Biases and normalization
        are not pruned.

        Raises:
            InfeasibleCandidate: The network has no such layer, or no module of an ignored name.
        """
        import torch

        from paretune.spaces.seeding import seed_torch

        def make(weights: dict[str, torch.Tensor]) -> tuple[Masks, dict[str, Any]]:
            with torch.random.fork_rng(devices=[]):
                seed_torch(context.seed)
                return _masks(weights, params), {}

        return with_masked_weights(candidate, Unstructured.name, params, make)

    outline = apply  # no shape changes

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns the model unchanged: all shapes are the same."""
        return model


def _masks(weights: dict[str, torch.Tensor], params: Unstructured.Params) -> Masks:
    import torch
    from torch.nn.utils import prune

    kind = prune.L1Unstructured if params.criterion == "l1" else prune.RandomUnstructured
    method: Any = kind(params.ratio)
    flat = {name: weight.detach().reshape(-1) for name, weight in weights.items()}
    if params.scope == "global":
        together = torch.cat(list(flat.values()))
        mask = method.compute_mask(together, torch.ones_like(together))
        parts = mask.split([len(weight) for weight in flat.values()])
        masks = dict(zip(flat, parts, strict=True))
    else:
        masks = {n: method.compute_mask(w, torch.ones_like(w)) for n, w in flat.items()}
    return {name: mask.reshape(weights[name].shape) for name, mask in masks.items()}
