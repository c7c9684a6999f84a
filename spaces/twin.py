"""The twin of a candidate: the network that is rebuilt from the candidate's history.

The stage cache, the export and a user's `load.py` all use the twin. So a candidate whose twin
computes something else is refused when it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.inputs import call, moved, random_example
from paretune.nests import Nest, named_leaves
from paretune.spaces.base import Candidate, InfeasibleCandidate
from paretune.spaces.rebuild import rebuild

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-6
"""Largest difference of two outputs, as a share of the largest value of that output, or of 1 if
that is larger."""

BATCHES = (1, 3)


def accepted(before: Candidate, after: Candidate, technique: str) -> Candidate:
    """Returns a technique's result under the technique's name in the plan, checked.

    Args:
        before: The candidate that the technique received.
        after: The candidate that it returned.
        technique: Name of the technique; a dotted path for a technique of the user's own.

    Raises:
        InfeasibleCandidate: As for `check_twin`.
    """
    if len(after.history) == len(before.history):
        return after  # the technique changed nothing
    *steps, last = after.history
    result = replace(after, history=(*steps, replace(last, technique=technique)))
    check_twin(result)
    return result


def check_twin(candidate: Candidate) -> None:
    """Checks that a candidate equals the network that its history rebuilds.

    Raises:
        InfeasibleCandidate: It does not, or one of the two cannot run. The text names the technique
            of the last step and the first layer that differs.
    """
    technique = candidate.history[-1].technique
    try:
        twin = rebuild(candidate.history, candidate.shape, candidate.outputs).eval()
    except Exception as error:
        raise InfeasibleCandidate(
            f"{technique}: the network cannot be built again from its history: "
            f"{type(error).__name__}: {error}"
        ) from error
    model = candidate.model.eval()
    _check_shapes(technique, model, twin)
    twin.load_state_dict(model.state_dict())
    _check_outputs(technique, candidate, twin)


def _check_shapes(technique: str, model: torch.nn.Module, twin: torch.nn.Module) -> None:
    """Checks that both networks have the same tensors, and layers that fit their weights."""
    first, other = ({n: list(t.shape) for n, t in m.state_dict().items()} for m in (model, twin))
    for name in [*first, *(n for n in other if n not in first)]:
        if first.get(name) != other.get(name):
            raise InfeasibleCandidate(
                f"{technique}: {name} has the size {first.get(name)}, and {other.get(name)} in the "
                f"network built again from its history; "
                + _remedy(technique, name.rpartition(".")[0])
            )
    for name, module in model.named_modules():
        declared = _declared_size(module)
        size = list(module.weight.shape[:2]) if declared else None
        if declared != size:
            raise InfeasibleCandidate(
                f"{technique}: {name} declares {declared} channels, its weight has {size}; "
                f"{_remedy(technique, name)}"
            )


def _declared_size(module: Any) -> list[int] | None:
    """Returns the first two dimensions that a layer's weight should have; None for others."""
    from torch import nn

    if type(module) is nn.Linear:
        return [module.out_features, module.in_features]
    if type(module) in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
        return [module.out_channels, module.in_channels // module.groups]
    if type(module) in (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d):
        return [module.in_channels, module.out_channels // module.groups]
    return None


def _check_outputs(technique: str, candidate: Candidate, twin: torch.nn.Module) -> None:
    import torch

    model = candidate.model
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    twin.to(device)
    for batch in BATCHES:
        inputs = moved(random_example(candidate.shape, batch, seed=batch), str(device))
        try:
            first, other = _outputs(model, inputs), _outputs(twin, inputs)
        except Exception as error:
            raise InfeasibleCandidate(
                f"{technique}: the network does not run with {batch} example"
                f"{'s' if batch > 1 else ''}: {type(error).__name__}: {error}"
            ) from error
        if not _equal(first, other):
            layer = _first_difference(model, twin, inputs)
            raise InfeasibleCandidate(
                f"{technique}: {layer} computes something else in the network built again from "
                f"its history; {_remedy(technique, layer)}"
            )


def _outputs(model: torch.nn.Module, inputs: Nest) -> dict[str, Any]:
    """Returns the outputs by name; what is no tensor is left out."""
    import torch

    from paretune.spaces.seeding import seed_torch

    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        seed_torch(0)
        outputs = named_leaves(call(model, inputs))
    return {name: leaf for name, leaf in outputs.items() if isinstance(leaf, torch.Tensor)}


def _equal(first: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Returns whether two networks have the same outputs, leaf by leaf."""
    return first.keys() == other.keys() and all(_close(first[name], other[name]) for name in first)


def _close(first: torch.Tensor, other: torch.Tensor) -> bool:
    import torch

    if first.shape != other.shape or first.dtype != other.dtype:
        return False
    if not first.is_floating_point() or not first.numel():
        return torch.equal(first, other)
    scale = TOLERANCE * max(1.0, float(first.abs().nan_to_num().max()))
    return torch.allclose(first, other, 0, scale, equal_nan=True)


def _first_difference(model: torch.nn.Module, twin: torch.nn.Module, inputs: Nest) -> str:
    """Returns the name of the first layer whose outputs differ, or "the network"."""
    import torch

    name: str
    outputs = [_outputs_by_layer(network, inputs) for network in (model, twin)]
    for (name, first), (_, other) in zip(*outputs, strict=False):
        tensors = isinstance(first, torch.Tensor) and isinstance(other, torch.Tensor)
        if tensors and (first.shape != other.shape or not torch.equal(first, other)):
            return name
    return "the network"


def _outputs_by_layer(network: torch.nn.Module, inputs: Nest) -> list[tuple[str, Any]]:
    """Returns (layer, output) of each call of a layer, in order."""
    outputs: list[tuple[str, Any]] = []

    def recorder(name: str) -> Any:
        return lambda module, args, output: outputs.append((name, output))

    leaves = [(n, m) for n, m in network.named_modules() if n and not list(m.children())]
    hooks = [module.register_forward_hook(recorder(name)) for name, module in leaves]
    _outputs(network, inputs)
    for hook in hooks:
        hook.remove()
    return outputs


def _remedy(technique: str, layer: str) -> str:
    """Returns what to change in the study."""
    if technique in ("structured", "unstructured", "semi_structured", "depth"):
        return f"write it into ignore: [{layer}]"
    return "the technique's `rebuild` must give the network that its `apply` gave"
