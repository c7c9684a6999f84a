"""Weight matrices that single weights can be taken from, and the step that says what was taken."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.spaces.base import Candidate, InfeasibleCandidate, Step
from paretune.spaces.pruning.module_names import check_names, is_within

if TYPE_CHECKING:
    import torch

Masks = Mapping[str, "torch.Tensor"]


def prunable_weights(model: torch.nn.Module, ignore: Sequence[str]) -> dict[str, torch.Tensor]:
    """Name -> weight [out, in, ...] of each convolution, linear layer and attention, once each.

    Args:
        model: The network.
        ignore: Modules to leave out, with everything below them.

    Raises:
        InfeasibleCandidate: There is no weight to take from, or no module of an ignored name.
    """
    from torch import nn

    check_names(ignore, [name for name, _ in model.named_modules() if name], "ignore")
    found: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if is_within(name, ignore):
            continue
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            found[f"{name}.weight".lstrip(".")] = module.weight
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            found[f"{name}.in_proj_weight".lstrip(".")] = module.in_proj_weight
    own = dict(model.named_parameters())  # names a weight that two layers share once
    found = {name: weight for name, weight in found.items() if name in own}
    if not found:
        raise InfeasibleCandidate("the network has no convolution or linear layer to prune")
    return found


def with_masked_weights(
    candidate: Candidate,
    technique: str,
    params: Any,
    make_masks: Callable[[dict[str, torch.Tensor]], tuple[Masks, dict[str, Any]]],
) -> Candidate:
    """A copy of the candidate in which the masked weights are zero, with the step that did it.

    Args:
        candidate: Left as it was.
        technique: Its name.
        params: Its parameters, of which `ignore` is read here.
        make_masks: Weights -> masks (0 or 1, of the weight's shape) by name, and more for `info`.
    """
    import torch

    model = copy.deepcopy(candidate.model)
    weights = prunable_weights(model, params.ignore)
    masks, info = make_masks(weights)
    zeros = {}
    with torch.no_grad():
        for name, mask in masks.items():
            weight = weights[name]
            weight.mul_(mask)
            zeros[name] = [int((weight == 0).sum()), weight.numel()]
    gone = sum(zero for zero, _ in zeros.values())
    total = sum(p.numel() for p in model.parameters())
    info = {"zeros": zeros, "share": round(gone / total, 6), **info}
    return candidate.with_step(model, Step(technique, params.model_dump(), info))
