"""Network structure: the layers of a plan's network, before any training.

Architecture, number format and the units that pruning leaves in each layer determine the size and
speed of a network; its weights do not. If the weights decide which units or layers are pruned, the
structure is unknown before training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.inputs import sizes
from paretune.search.building.exporting import quiet_placement
from paretune.search.study.deployment import rounding_runtime
from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.plan import Plan
from paretune.search.study.spec import digest
from paretune.search.study.stage import TECHNIQUES
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.twin import accepted

if TYPE_CHECKING:
    import torch

    from paretune.search.data.dataset import Dataset
    from paretune.search.study.deployment import Deployment

_ROUNDED = re.compile(r"parametrizations\.(\w+)\.original\b")

LAYOUT = ("per_channel", "symmetric", "bits", "block")
"""Options of a number format that change the layout of the file; other options change values."""


def outline(plan: Plan, data: Dataset) -> Candidate | None:
    """Builds, prunes and marks a plan's candidate for quantization, without training.

    Its layers have the shapes of the trained candidate. Returns None if these depend on the
    weights, or a technique has no `outline`.

    Raises:
        InfeasibleCandidate: The network cannot be built, or a technique cannot be applied to it.
    """
    context = Context(data, placement=quiet_placement(rounding_runtime(plan)))
    candidate = _subnet(plan, data, context) if plan.stage(SUBNET) else _untrained(plan, data)
    if candidate is None:
        return None
    for stage in plan.stages:
        if stage.kind in TECHNIQUES:
            name, entry, params = stage.technique
            outlined = (
                entry.outline(candidate, params, context) if hasattr(entry, "outline") else None
            )
            if outlined is None:
                return None
            candidate = accepted(candidate, outlined, name)
    return candidate


def _untrained(plan: Plan, data: Dataset) -> Candidate:
    """Returns the first network of a plan, with random weights."""
    architecture, task = plan.stages[0].params["architecture"], data.task
    candidate = initial_candidate(architecture, data.shape, task.outputs, seed=0, keep=task.keep)
    _perturb(candidate.model)
    return candidate


def _subnet(plan: Plan, data: Dataset, context: Context) -> Candidate | None:
    """Returns the subnet of an untrained network; None if its shape depends on the weights."""
    from paretune.search.building.elastic_stages import outlined

    training, cut = plan.stage(ELASTIC), plan.stage(SUBNET)
    assert training is not None and cut is not None, "a subnet is cut out of an elastic network"
    task = data.task
    source = [plan.stages[0].params["architecture"], sizes(data.shape), repr(task.outputs)]
    return outlined(
        lambda: _untrained(plan, data),
        digest([*source, list(task.keep)]),
        training.params[ELASTIC],
        cut.params[SUBNET],
        context,
    )


def shapes_of(model: torch.nn.Module) -> list[Any]:
    """Returns name and shape of each parameter.

    A parameter under quantization-aware training keeps its plain name.
    """
    named = ((_ROUNDED.sub(r"\1", name), p) for name, p in model.named_parameters())
    return sorted([name, list(parameter.shape)] for name, parameter in named)


def structure_of(model: torch.nn.Module) -> str:
    """Returns the digest of what size and speed of a float network depend on: shapes and zeros."""
    return digest([shapes_of(model), zeros(model)])


def zeros(model: torch.nn.Module) -> float:
    """Returns the share of zero weights, rounded to a hundredth.

    The size of a compressed file and the speed of a sparse product depend on it.
    """
    weights = list(model.parameters())
    total = sum(weight.numel() for weight in weights) or 1
    return round(sum(int((weight == 0).sum()) for weight in weights) / total, 2)


def key_of(
    plan: Plan, structure: str, shape: Any, deployment: Deployment, host: str | None
) -> str | None:
    """Returns the key of a deployed structure; None if the weights decide part of the file.

    Args:
        plan: Plan with architecture and number format.
        structure: Structure of the pruned float network, from `structure_of`.
        shape: Shape of one input.
        deployment: Deployment of the network.
        host: Host of a timing; None for a quantity that is the same on every host.
    """
    layout: Mapping[str, Any] | None = {}
    stage = plan.stage("quantize")
    if stage is not None:
        name, _, params = stage.technique
        if not deployment.unsupported({name: {}}):
            layout = _layout(name, params.model_dump())
    if layout is None:
        return None
    architecture = plan.stages[0].params["architecture"]
    cut = plan.stage(SUBNET)
    if cut is not None:  # two resolutions of a network have the same shapes of weights
        architecture = [architecture, cut.params[SUBNET].get("resolution")]
    where = [deployment.name, deployment.options.model_dump(), host]
    return digest([architecture, structure, sizes(shape), layout, *where])


def _layout(name: str, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the layout options of a number format; None if the weights decide part of it."""
    if options.get("keep_float"):
        return None
    built_in = name in QUANTIZATIONS.names
    return {name: {k: v for k, v in options.items() if k in LAYOUT or not built_in}}


def _perturb(model: torch.nn.Module) -> None:
    """Makes all weights differ a little, like trained weights.

    An exporter stores equal tensors once, and all biases of an untrained network are zero.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    running = [t for m in norms for t in (m.running_mean, m.running_var) if t is not None]
    with torch.no_grad():
        for tensor in (*model.parameters(), *running):
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.mul_(1 + 0.1 * noise).add_(1e-3 * noise)
