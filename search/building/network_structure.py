"""Structure: what a plan's network will look like, known before anything of it is trained.

Size and speed of a network follow from its architecture, from how many units pruning leaves in each
layer, and from the number format: not from the weights. Where those say which units or layers go,
nothing is known before training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.study.deployment import placement, rounding_runtime
from paretune.search.study.plan import Plan
from paretune.search.study.spec import digest
from paretune.search.study.stage import TECHNIQUES
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.rebuild import initial_candidate

if TYPE_CHECKING:
    import torch

    from paretune.search.data.dataset import Dataset
    from paretune.search.study.deployment import Deployment

_ROUNDED = re.compile(r"parametrizations\.(\w+)\.original\b")

LAYOUT = ("per_channel", "symmetric", "bits", "block")
"""Options of a number format that say how the file is laid out; the others change values in it."""


def outline(plan: Plan, data: Dataset) -> Candidate | None:
    """A plan's candidate, built, pruned and marked for quantization without any training.

    Its layers have the shapes of the trained one's. None where those depend on the weights, or a
    technique does not say (`Technique.outline`).

    Raises:
        InfeasibleCandidate: There is no such network, or a technique cannot be applied to it.
    """
    candidate = initial_candidate(
        plan.stages[0].params["architecture"], data.shape, data.classes, seed=0
    )
    _stir(candidate.model)
    context = Context(data, placement=placement(rounding_runtime(plan)))
    for stage in plan.stages:
        if stage.kind in TECHNIQUES:
            _, entry, params = stage.technique
            made = entry.outline(candidate, params, context) if hasattr(entry, "outline") else None
            if made is None:
                return None
            candidate = made
    return candidate


def shapes_of(model: torch.nn.Module) -> list[Any]:
    """Name and shape of each parameter: with the architecture, all there is to know.

    One that is trained to be rounded stands under a name of its own.
    """
    named = ((_ROUNDED.sub(r"\1", name), p) for name, p in model.named_parameters())
    return sorted([name, list(parameter.shape)] for name, parameter in named)


def structure_of(model: torch.nn.Module) -> str:
    """A digest of all of a float network that size and speed may depend on: shapes and zeros."""
    return digest([shapes_of(model), zeros(model)])


def zeros(model: torch.nn.Module) -> float:
    """The share of a network's weights that are zero, in steps of a hundredth.

    A compressed file and a sparse product depend on it, besides the shapes.
    """
    weights = list(model.parameters())
    total = sum(weight.numel() for weight in weights) or 1
    return round(sum(int((weight == 0).sum()) for weight in weights) / total, 2)


def key_of(
    plan: Plan, structure: str, shape: Any, deployment: Deployment, host: str | None
) -> str | None:
    """What equal structures in a place have in common; None where their weights differ in more.

    Args:
        plan: Names the architecture and the number format.
        structure: Of the pruned float network (`structure_of`).
        shape: Of one input.
        place: Where it is deployed.
        host: For what a clock measures; None for what is the same everywhere.
    """
    layout: Mapping[str, Any] | None = {}
    stage = plan.stage("quantize")
    if stage is not None:
        name, _, params = stage.technique
        if not deployment.lacks({name: {}}):
            layout = _layout(name, params.model_dump())
    if layout is None:
        return None
    architecture = plan.stages[0].params["architecture"]
    where = [deployment.name, deployment.options.model_dump(), host]
    return digest([architecture, structure, list(shape), layout, *where])


def _layout(name: str, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the structure depends on in a number format; None where the weights decide some."""
    if options.get("keep_float"):
        return None
    known = name in QUANTIZATIONS.names
    return {name: {k: v for k, v in options.items() if k in LAYOUT or not known}}


def _stir(model: torch.nn.Module) -> None:
    """Makes all weights differ a little, as trained ones do.

    An exporter keeps equal tensors once, and of an untrained network all biases are zero.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    running = [t for m in norms for t in (m.running_mean, m.running_var) if t is not None]
    with torch.no_grad():
        for tensor in (*model.parameters(), *running):
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.mul_(1 + 0.1 * noise).add_(1e-3 * noise)
