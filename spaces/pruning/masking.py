"""Masks that make single weights zero, and the step that records them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.spaces.base import Candidate, InfeasibleCandidate, Step
from paretune.spaces.keeping import is_within, kept_modules
from paretune.spaces.pruning.module_names import check_names

if TYPE_CHECKING:
    import torch

Masks = Mapping[str, "torch.Tensor"]


def prunable_weights(
    model: torch.nn.Module, ignore: Sequence[str], keep: Sequence[str] = ()
) -> dict[str, torch.Tensor]:
    """Returns name -> weight [out, in, ...] of each convolution, linear layer and attention.

    A weight that two layers share is listed once.

    Args:
        model: The network.
        ignore: Names of modules to leave out, with everything inside them.
        keep: Patterns of names of modules to leave out.

    Raises:
        InfeasibleCandidate: The network has no such weight, or no module of an ignored or kept
            name.
    """
    from torch import nn

    check_names(ignore, [name for name, _ in model.named_modules() if name], "ignore")
    kept = kept_modules(model, keep)
    in_kept = {id(p) for name in kept for p in model.get_submodule(name).parameters()}
    weights: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if is_within(name, ignore):
            continue
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            weights[f"{name}.weight".lstrip(".")] = module.weight
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            weights[f"{name}.in_proj_weight".lstrip(".")] = module.in_proj_weight
    unique = dict(model.named_parameters())  # lists a shared weight under one name
    weights = {n: w for n, w in weights.items() if n in unique and id(w) not in in_kept}
    if not weights:
        outside = f" outside {', '.join(kept)} (keep)" if kept else ""
        raise InfeasibleCandidate(
            f"the network has no convolution or linear layer to prune{outside}"
        )
    return weights


def with_masked_weights(
    candidate: Candidate,
    technique: str,
    params: Any,
    make_masks: Callable[[dict[str, torch.Tensor]], tuple[Masks, dict[str, Any]]],
) -> Candidate:
    """Returns a copy of the candidate with the masked weights zero and the step in its history.

    Args:
        candidate: The candidate to copy; not changed.
        technique: Name of the technique.
        params: Parameters of the technique; `ignore` is read here.
        make_masks: Name -> weight -> (name -> mask of 0 and 1 in the weight's shape, more `info`).
    """
    import torch

    model = copy.deepcopy(candidate.model)
    weights = prunable_weights(model, params.ignore, candidate.keep)
    masks, info = make_masks(weights)
    zeros = {}
    with torch.no_grad():
        for name, mask in masks.items():
            weight = weights[name]
            weight.mul_(mask)
            zeros[name] = [int((weight == 0).sum()), weight.numel()]
    count = sum(zero for zero, _ in zeros.values())
    total = sum(p.numel() for p in model.parameters())
    info = {"zeros": zeros, "share": round(count / total, 6), **info}
    return candidate.with_step(model, Step(technique, params.model_dump(), info))
