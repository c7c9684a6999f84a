"""The outputs of a network, and the layers whose channels they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, call, example
from paretune.nests import Nest, leaves, mapped

if TYPE_CHECKING:  # torch takes seconds to import
    import torch

PRODUCTS = ("convolution", "addmm", "mm", "bmm", "addbmm", "baddbmm", "linear")
"""Names of autograd's nodes that multiply by a weight, without `Backward0`."""

RECURRENT = ("rnn", "lstm", "gru")
"""Parts of the names of nodes that run a recurrent layer as one operation."""


def float_outputs(outputs: Nest) -> list[torch.Tensor]:
    """Returns the tensors of real numbers in a network's outputs, in order.

    Other leaves are left out: integers, such as classes of boxes, and objects, such as caches.
    """
    import torch

    tensors = [leaf for leaf in leaves(outputs) if isinstance(leaf, torch.Tensor)]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def typed_example(model: torch.nn.Module, shape: Shape) -> Any:
    """Returns an example with the precision and on the device of the network."""
    import torch

    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return mapped(in_precision(example(shape), model), lambda x: x.to(device))


def in_precision(inputs: Nest, model: torch.nn.Module) -> Nest:
    """Returns inputs whose real numbers have the precision of the network's first real weight."""
    floating = (p.dtype for p in model.parameters() if p.is_floating_point())
    dtype = next(floating, None)
    if dtype is None:
        return inputs
    return mapped(inputs, lambda x: x.to(dtype) if x.is_floating_point() else x)


def output_layers(model: torch.nn.Module, shape: Shape) -> list[str]:
    """Returns the names of the layers whose channels are outputs of the network.

    They are traced from each output back to the nearest weights: through elementwise operations,
    reshapes, concatenations, enlargements, normalizations and depthwise convolutions. A weight
    that a linear layer shares with an embedding counts for both.

    Args:
        model: The network; it stays unchanged.
        shape: What the network takes.
    """
    owners: dict[int, list[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    with _tracing(model):
        outputs = float_outputs(call(model, typed_example(model, shape)))
    weights = _last_weights([output.grad_fn for output in outputs])
    traced = {name for weight in weights for name in owners.get(id(weight), ())}
    return [name for name, _ in model.named_modules() if name in traced]


@contextmanager
def _tracing(model: torch.nn.Module) -> Iterator[None]:
    """Lets a network in evaluation mode record gradients; restores its state afterwards."""
    import torch

    modes = [(module, module.training) for module in model.modules()]
    frozen = [p for p in model.parameters() if not p.requires_grad and p.is_floating_point()]
    model.eval()
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter in frozen:
            parameter.requires_grad_(False)


def _last_weights(outputs: list[Any]) -> list[Any]:
    """Returns the weights nearest to the outputs of an autograd graph."""
    weights: list[Any] = []
    seen: set[Any] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = _name(node)
        if any(word in name for word in RECURRENT):
            continue
        inputs = [following for following, _ in node.next_functions]
        multiplied = list(_weights(inputs)) if name in PRODUCTS else []
        weights += multiplied
        if not multiplied or _is_depthwise(node, multiplied[0]):
            waiting += inputs
    return weights


def _name(node: Any) -> str:
    """Returns a node's operation: "addmm" for AddmmBackward0."""
    return str(node.name()).lower().partition("backward")[0]


def _weights(inputs: list[Any]) -> Iterator[Any]:
    """Yields the parameters with several dimensions among the factors of a product."""
    for node in inputs:
        while node is not None and _name(node) in ("t", "transpose", "permute", "view", "expand"):
            node = node.next_functions[0][0]
        variable = getattr(node, "variable", None)
        if variable is not None and variable.ndim > 1:
            yield variable


def _is_depthwise(node: Any, weight: Any) -> bool:
    """Returns whether each output channel of a convolution reads its own input channel only."""
    groups = getattr(node, "_saved_groups", 1)
    return bool(groups > 1 and groups == weight.shape[0])
