"""A network as a torch.fx graph, in which activations and weights can be rounded."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from paretune.inputs import Shape, example, signature_of
from paretune.nests import leaves
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.pruning.whole_reason import code_line
from paretune.spaces.quantization.fake_quantization import FakeActivation, FakeWeight, TensorMark

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose1d, nn.ConvTranspose2d)
"""Modules with weights that int8 rounds."""

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def traced(model: nn.Module, shape: Shape) -> fx.GraphModule:
    """Returns a copy of the network as a graph with batch normalization folded into layers.

    Args:
        model: The network.
        shape: What the network takes. Optional arguments that it does not name keep their defaults.

    Raises:
        InfeasibleCandidate: torch.fx cannot trace the network's code.
    """
    model = copy.deepcopy(model).eval()
    try:
        tracer = fx.Tracer()
        operations = tracer.trace(model, _defaults(model, shape) or None)
        _remove_guards(operations)
        graph = fx.GraphModule(tracer.root, operations, type(model).__name__)
    except Exception as error:  # tracing raises whatever the model's code raises on a proxy
        reason = str(error).splitlines()[0] if str(error) else ""
        if "co_varnames" in reason:
            reason = "`forward` has a decorator, *args or **kwargs"
        raise InfeasibleCandidate(
            f"qat: torch.fx cannot trace the network: {type(error).__name__}: {reason}"
            f"{code_line(error)}; quantize with static, or rewrite `forward` without decisions "
            "on values and without objects of other libraries"
        ) from error
    _fold(graph)
    return graph


def _defaults(model: nn.Module, shape: Shape) -> dict[str, Any]:
    """Returns the optional arguments of `forward` that the inputs leave at their defaults."""
    parameters = [
        p
        for p in inspect.signature(model.forward, follow_wrapped=False).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    signature = signature_of(shape)
    if signature.form == "dict":
        passed = set(signature.names)
    else:
        passed = {p.name for p in parameters[: len(signature.inputs)]}
    return {
        p.name: p.default for p in parameters if p.name not in passed and p.default is not p.empty
    }


def _remove_guards(graph: fx.Graph) -> None:
    """Removes the checks of optional arguments, and these arguments."""
    fixed_arguments = []
    for node in reversed(list(graph.nodes)):
        fixed = any(
            isinstance(text, str) and "specialized to have value" in text for text in node.args
        )
        if node.op == "call_function" and fixed:
            compared = node.args[0]
            graph.erase_node(node)
            if compared.op != "placeholder":  # `argument == default`
                argument, _ = compared.args
                graph.erase_node(compared)
                compared = argument
            fixed_arguments.append(compared)
    for argument in fixed_arguments:
        graph.erase_node(argument)


def activations(graph: fx.GraphModule, shape: Shape) -> list[str]:
    """Returns the names of the nodes that compute a float tensor, in order."""
    finder = _Finder(graph)
    inputs = example(shape)
    named = inputs if isinstance(inputs, Mapping) else {}
    positional = () if named else leaves(inputs) if isinstance(inputs, tuple) else (inputs,)
    with torch.inference_mode():
        finder.run(*_arguments(graph, positional, named))
    return finder.names


def _arguments(graph: fx.GraphModule, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Yields a value for each argument of a graph, in its order."""
    waiting = iter(positional)
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            default = node.args[0] if node.args else None
            yield named[node.target] if node.target in named else next(waiting, default)


def with_marks(graph: fx.GraphModule, names: Sequence[str]) -> fx.GraphModule:
    """Inserts a TensorMark with a number (1, 2, ...) after each of these nodes, in place."""
    nodes = {node.name: node for node in graph.graph.nodes}
    for number, name in enumerate(names, 1):
        graph.add_submodule(f"mark_{number}", TensorMark(number))
        _insert(graph, nodes[name], f"mark_{number}", {})
    graph.recompile()
    return graph


def with_fake_quantization(
    graph: fx.GraphModule, groups: Sequence[Sequence[str]], momentum: float
) -> fx.GraphModule:
    """Inserts fake quantization after nodes; the nodes of a group share a range.

    Args:
        graph: The graph, changed in place.
        groups: Names of nodes; the first node of a group determines the range.
        momentum: Weight of a new batch in a range's moving average.
    """
    nodes = {node.name: node for node in graph.graph.nodes}
    for number, names in enumerate(groups):
        graph.add_submodule(f"fake_{number}", FakeActivation(momentum))
        for index, name in enumerate(names):
            _insert(graph, nodes[name], f"fake_{number}", {"follows": index > 0})
    graph.recompile()
    return graph


def _insert(graph: fx.GraphModule, node: fx.Node, module: str, options: dict[str, Any]) -> None:
    """Inserts a module after a node; all users of the node then read the module's output."""
    with graph.graph.inserting_after(node):
        new = graph.graph.call_module(module, (node,), options)
    node.replace_all_uses_with(new, lambda user: user is not new)


def round_weights(graph: fx.GraphModule, layers: Iterable[str], options: Any) -> None:
    """Adds fake quantization to the weights of these modules.

    Args:
        graph: The graph, changed in place.
        layers: Names of modules.
        options: An object with the attributes `reduce_range` and `per_channel`.
    """
    levels = 64 if options.reduce_range else 127
    for name in layers:
        module = graph.get_submodule(name)
        axis = channel_axis(module) if options.per_channel else None
        parametrize.register_parametrization(module, "weight", FakeWeight(axis, levels))


def channel_axis(module: nn.Module) -> int:
    """Returns the axis of the output channels of a module's weight."""
    return 1 if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d)) else 0


def layers_fed_by(graph: fx.GraphModule, nodes: Iterable[str]) -> list[str]:
    """Returns the names of the WEIGHTED modules that read one of these nodes."""
    sources = set(nodes)
    layers = {
        str(node.target): None
        for node in graph.graph.nodes
        if node.op == "call_module"
        and isinstance(graph.get_submodule(node.target), WEIGHTED)
        and isinstance(source := next(iter(node.args), node.kwargs.get("input")), fx.Node)
        and source.name in sources
    }
    return list(layers)


class _Finder(fx.Interpreter):
    """Runs a graph and records the nodes that compute float tensors."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.names: list[str] = []

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        computed = n.op not in ("get_attr", "output")
        if computed and isinstance(value, torch.Tensor) and value.is_floating_point():
            self.names.append(n.name)
        return value


def _fold(graph: fx.GraphModule) -> None:
    """Folds each batch normalization into the convolution or linear layer before it.

    This needs a layer that is called once and feeds nothing else.
    """
    modules = dict(graph.named_modules())
    calls: dict[str, int] = {}
    for node in graph.graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    for norm in list(graph.graph.nodes):
        if norm.op != "call_module" or not isinstance(modules[norm.target], NORMS):
            continue
        layer = norm.args[0]
        if layer.op != "call_module" or len(layer.users) > 1 or calls[layer.target] > 1:
            continue
        module = modules[layer.target]
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            folded: nn.Module = fuse_conv_bn_eval(module, modules[norm.target])
        elif isinstance(module, nn.Linear):
            folded = fuse_linear_bn_eval(module, modules[norm.target])
        else:
            continue
        graph.set_submodule(layer.target, folded)
        norm.replace_all_uses_with(layer)
        graph.graph.erase_node(norm)
    graph.graph.lint()
    graph.delete_all_unused_submodules()
    graph.recompile()
