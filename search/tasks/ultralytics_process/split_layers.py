"""Turns a convolution whose channels are split at once into one convolution for each part.

    x.conv -> norm -> act -> chunk(2)      becomes      conv_0 -> norm_0 -> act_0
                                                        conv_1 -> norm_1 -> act_1

The outputs are equal. The parts can then lose channels one by one, where `chunk` would have cut the
rest at another channel. CSP blocks of detectors (C2f, C3k2, C2PSA) begin with such a convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ELEMENTWISE = {"SiLU", "ReLU", "LeakyReLU", "GELU", "Hardswish", "Identity", "Sigmoid", "Mish"}
"""Layers that treat each value alone."""

Call = dict[str, Any]
Graph = dict[str, Any]


def split_layers(graph: Graph) -> Graph:
    """Returns the graph of `layer_graph.graph_of` with such convolutions in parts.

    A layer of a part has a key "part": {"of": name of the layer, "rows": [first, after the last]}.
    """
    layers, calls = dict(graph["layers"]), list(graph["calls"])
    for call in list(calls):
        chain = _chain(call, layers, calls)
        if chain is not None:
            calls = _in_parts(call, chain, layers, calls)
    used = {call["target"] for call in calls if call["op"] == "call_module"}
    return {"layers": {k: v for k, v in layers.items() if k in used}, "calls": calls}


def part_of(graph: Graph, name: str) -> tuple[str, slice]:
    """Returns the name of a weight in the network before, and its rows that `name` has.

    Args:
        graph: What `split_layers` returned.
        name: Name of a weight in the network of the graph.
    """
    layer, _, weight = name.rpartition(".")
    part = graph["layers"][layer].get("part")
    if part is None:
        return name, slice(None)
    return f"{part['of']}.{weight}", slice(*part["rows"])


def _chain(call: Call, layers: Mapping[str, Any], calls: list[Call]) -> list[Call] | None:
    """Returns the calls from the convolution to the split of its channels; None for others."""
    if call["op"] != "call_method" or call["target"] not in ("chunk", "split"):
        return None
    if _axis(call) != 1 or any(_index(user) is None for user in _users(call, calls)):
        return None
    by_name = {each["name"]: each for each in calls}
    chain: list[Call] = []
    current = call["args"][0]
    while True:
        made = by_name.get(current.get("node", "")) if isinstance(current, dict) else None
        if made is None or made["op"] != "call_module" or len(_users(made, calls)) != 1:
            return None
        chain.insert(0, made)
        layer = layers[made["target"]]
        if layer["class"] == "Conv2d":
            return chain if layer["options"]["groups"] == 1 else None
        if layer["class"] not in ELEMENTWISE | {"BatchNorm2d"}:
            return None
        current = made["args"][0]


def _in_parts(
    call: Call, chain: list[Call], layers: dict[str, Any], calls: list[Call]
) -> list[Call]:
    """Returns the calls with a chain for each part; adds the layers of the parts."""
    channels = layers[chain[0]["target"]]["options"]["out_channels"]
    replaced: dict[str, str] = {}
    added: list[Call] = []
    for number, rows in enumerate(_parts(call, channels)):
        before = chain[0]["args"]
        for step in chain:
            name = f"{step['name']}_part{number}"
            target = f"{step['target']}_{number}"
            layers[target] = _layer_part(layers[step["target"]], step["target"], rows)
            added.append({**step, "name": name, "target": target, "args": before})
            before = [{"node": name}]
        for user in _users(call, calls):
            if _index(user) == number:
                replaced[user["name"]] = before[0]["node"]
    gone = {call["name"], *(step["name"] for step in chain), *replaced}
    result: list[Call] = []
    for each in calls:
        if each is chain[0]:
            result += added
        if each["name"] not in gone:
            result.append(_renamed(each, replaced))
    return result


def _layer_part(layer: Mapping[str, Any], name: str, rows: tuple[int, int]) -> dict[str, Any]:
    """Returns the part of a layer that makes some of its output channels."""
    options = dict(layer["options"])
    for key in ("out_channels", "num_features"):
        if key in options:
            options[key] = rows[1] - rows[0]
    return {**layer, "options": options, "part": {"of": name, "rows": list(rows)}}


def _parts(call: Call, channels: int) -> list[tuple[int, int]]:
    """Returns (first, after the last) channel of each part."""
    how = _argument(call, 1, "chunks" if call["target"] == "chunk" else "split_size")
    if call["target"] == "chunk":
        size = -(-channels // how)
        sizes = [size] * (channels // size) + ([channels % size] if channels % size else [])
    else:
        [sizes] = how.values()
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _axis(call: Call) -> Any:
    """Returns the axis of a split into parts of fixed sizes; None for other splits."""
    how = _argument(call, 1, "chunks" if call["target"] == "chunk" else "split_size")
    if call["target"] == "chunk":
        fixed = isinstance(how, int)
    else:
        sizes = next(iter(how.values())) if isinstance(how, dict) else [None]
        fixed = isinstance(sizes, list) and all(isinstance(size, int) for size in sizes)
    return _argument(call, 2, "dim") if fixed else None


def _argument(call: Call, position: int, name: str) -> Any:
    if len(call["args"]) > position:
        return call["args"][position]
    return call["kwargs"].get(name)


def _users(call: Call, calls: list[Call]) -> list[Call]:
    return [each for each in calls if call["name"] in set(_nodes([each["args"], each["kwargs"]]))]


def _index(call: Call) -> int | None:
    """Returns i of a call `value[i]`; None for other calls."""
    if call["op"] != "call_function" or call["target"] != "operator.getitem":
        return None
    return call["args"][1] if isinstance(call["args"][1], int) else None


def _nodes(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and [*value] == ["node"]:
        yield value["node"]
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _nodes(each)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Returns a call with other names of its arguments."""
    if isinstance(value, dict) and [*value] == ["node"]:
        return {"node": names.get(value["node"], value["node"])}
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    return value
