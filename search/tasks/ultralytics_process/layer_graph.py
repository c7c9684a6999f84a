"""Writes a network as a list of torch.nn layers and the calls between them, and builds it again.

The list is JSON. So a network can leave the process that defined it: the other process needs torch
alone, and none of the classes around the layers.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

MODULES = {
    "operator": operator,
    "torch": torch,
    "functional": torch.nn.functional,
}
"""Short name -> the module whose functions a graph may call; `getattr` is the only other one."""


class UntraceableNetwork(Exception):
    """A network that is no fixed list of torch.nn layers; the text is the reason."""


class _Proxy(fx.Proxy):
    def __len__(self) -> int:
        raise TypeError  # `list(proxy)` then asks the iterator alone


class _Tracer(fx.Tracer):
    """Records the calls of layers, and goes into all other modules."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        containers = nn.Sequential | nn.ModuleList
        return type(m).__module__.startswith("torch.nn.") and not isinstance(m, containers)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def iter(self, obj: fx.Proxy) -> Iterator[Any]:
        """Iterates over the parts of `chunk` and `split`, whose number is written in the call."""
        count = _parts(obj.node)
        if count is None:
            return super().iter(obj)
        return iter([operator.getitem(obj, i) for i in range(count)])


def _parts(node: fx.Node) -> int | None:
    if node.op != "call_method":
        return None
    first = node.args[1] if len(node.args) > 1 else None
    if node.target == "chunk":
        count = node.kwargs.get("chunks", first)
        return count if isinstance(count, int) else None
    if node.target == "split":
        sizes = node.kwargs.get("split_size", first)
        return len(sizes) if isinstance(sizes, list | tuple) else None
    return None


def graph_of(network: nn.Module) -> dict[str, Any]:
    """Returns a network as JSON: its layers by name, and its calls in order.

    Raises:
        UntraceableNetwork: Its calls depend on values, or use something that is no torch.nn layer.
    """
    tracer = _Tracer()
    try:
        graph = tracer.trace(network)
    except Exception as error:  # tracing runs the network's code
        raise UntraceableNetwork(f"its forward cannot be traced: {error}") from error
    names = dict.fromkeys(str(n.target) for n in graph.nodes if n.op == "call_module")
    return {
        "layers": {name: _layer_json(network.get_submodule(name)) for name in names},
        "calls": [_call_json(node) for node in graph.nodes],
    }


def network_of(graph: dict[str, Any]) -> nn.Module:
    """Returns the network that `graph_of` described, with random weights."""
    return LayerGraph(graph["layers"], graph["calls"])


class LayerGraph(nn.Module):
    """Layers, and a list of the calls between them.

    Args:
        layers: Name -> class and options of a torch.nn layer; names have dots, as in a state dict.
        calls: The calls in order; the last one is the output.
    """

    def __init__(self, layers: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        for name, each in layers.items():
            *path, last = name.split(".")
            parent: nn.Module = self
            for step in path:
                if step not in parent._modules:
                    parent.add_module(step, nn.Module())
                parent = parent.get_submodule(step)
            parent.add_module(last, _layer(each))
        self._calls = list(calls)
        self._unused = _last_uses(self._calls)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """Runs the calls."""
        values: dict[str, Any] = {}
        left = list(inputs)
        for call, unused in zip(self._calls, self._unused, strict=True):
            args = [_value(each, values) for each in call["args"]]
            kwargs = {key: _value(each, values) for key, each in call["kwargs"].items()}
            match call["op"]:
                case "placeholder":
                    result = left.pop(0)
                case "call_module":
                    result = self.get_submodule(call["target"])(*args, **kwargs)
                case "call_method":
                    result = getattr(args[0], call["target"])(*args[1:], **kwargs)
                case "call_function":
                    result = _function(call["target"])(*args, **kwargs)
                case _:
                    return args[0]
            values[call["name"]] = result
            for name in unused:
                del values[name]
        raise AssertionError("a graph ends with its output")


def _last_uses(calls: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Returns for each call the names of the values that no later call uses."""
    last = {call["name"]: number for number, call in enumerate(calls)}
    for number, call in enumerate(calls):
        for name in _names([*call["args"], *call["kwargs"].values()]):
            last[name] = number
    unused: list[list[str]] = [[] for _ in calls]
    for name, number in last.items():
        unused[number].append(name)
    return unused


def _names(value: Any) -> Iterator[str]:
    """Yields the names of the values that an argument refers to."""
    if isinstance(value, dict) and [*value] == ["node"]:
        yield value["node"]
    elif isinstance(value, dict):
        for each in value.values():
            yield from _names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)


def _layer_json(layer: nn.Module) -> dict[str, Any]:
    """Returns the class of a layer and the arguments that make it, read from its attributes."""
    options: dict[str, Any] = {}
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        if name in ("device", "dtype", "args", "kwargs"):
            continue
        if name == "bias":
            options[name] = getattr(layer, "bias", None) is not None
        elif hasattr(layer, name):
            options[name] = getattr(layer, name)
        elif parameter.default is parameter.empty:
            raise UntraceableNetwork(f"{type(layer).__name__} does not keep its argument {name}")
    if "inplace" in options:
        options["inplace"] = False  # equal, and hooks on the layers see what they get
    return {"class": type(layer).__name__, "options": {k: _json(v) for k, v in options.items()}}


def _layer(each: dict[str, Any]) -> nn.Module:
    options = {key: _value(value, {}) for key, value in each["options"].items()}
    layer: nn.Module = getattr(nn, each["class"])(**options)
    return layer


def _call_json(node: fx.Node) -> dict[str, Any]:
    if node.op == "get_attr":
        raise UntraceableNetwork(f"it uses the tensor {node.target} outside of a layer")
    target = _function_name(node.target) if callable(node.target) else str(node.target)
    return {
        "name": node.name,
        "op": node.op,
        "target": target,
        "args": [_json(each) for each in node.args],
        "kwargs": {key: _json(each) for key, each in node.kwargs.items()},
    }


def _function_name(function: Any) -> str:
    if function is getattr:
        return "getattr"
    name = str(getattr(function, "__name__", function))
    for short, module in MODULES.items():
        if getattr(module, name, None) is function:
            return f"{short}.{name}"
    raise UntraceableNetwork(f"it calls {name}, which is no function of torch")


def _function(name: str) -> Any:
    if name == "getattr":
        return getattr
    short, _, attribute = name.partition(".")
    return getattr(MODULES[short], attribute)


def _json(value: Any) -> Any:
    """Returns an argument as JSON; nodes, groups and slices are mappings with one key."""
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_json(each) for each in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): _json(each) for key, each in value.items()}}
    if isinstance(value, slice):
        return {"slice": [_json(value.start), _json(value.stop), _json(value.step)]}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UntraceableNetwork(f"an argument is a {type(value).__name__}")


def _value(each: Any, nodes: Mapping[str, Any]) -> Any:
    if not isinstance(each, dict):
        return each
    [(kind, content)] = each.items()
    match kind:
        case "node":
            return nodes[content]
        case "dict":
            return {key: _value(value, nodes) for key, value in content.items()}
        case "slice":
            return slice(*(_value(value, nodes) for value in content))
        case "dtype":
            return getattr(torch, content)
        case "tuple":
            return tuple(_value(value, nodes) for value in content)
        case _:
            return [_value(value, nodes) for value in content]
