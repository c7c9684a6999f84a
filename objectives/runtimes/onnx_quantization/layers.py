"""Finds the nodes of an .onnx file that a module of the network became."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from paretune.objectives.errors import Unmeasurable

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that carry weights."""


def nodes_of(graph: Any, modules: Iterable[str]) -> list[str]:
    """Returns the names of the nodes that multiply by the weights of these modules.

    Args:
        graph: An onnx.GraphProto from torch's exporter, with nodes named by scope.
        modules: Qualified names as in `named_modules`: "layer1.0.conv1".

    Raises:
        Unmeasurable: A module is not in the graph.
    """
    by_module: dict[str, list[str]] = {}
    for node in graph.node:
        if node.op_type in LAYERS:
            by_module.setdefault(layer_of(node.name), []).append(node.name)
    names = []
    for module in modules:
        if module not in by_module:
            raise Unmeasurable(
                f'the layer "{module}", which should stay in float, is not in the exported '
                "network; type keep_float: 0"
            )
        names += by_module[module]
    return names


def nodes_within(graph: Any, modules: Sequence[str]) -> list[str]:
    """Returns the names of all nodes that these modules became, and those that use their weights.

    Args:
        graph: An onnx.GraphProto from torch's exporter, with nodes named by `qualified_scopes`.
        modules: Names of modules that stay in float with everything inside them.

    Raises:
        Unmeasurable: None of them is in the graph.
    """
    names = [
        node.name
        for node in graph.node
        if any(_is_within(name, modules) for name in (*_modules_of(node.name), *node.input))
    ]
    if modules and not names:
        raise Unmeasurable(
            f"{', '.join(modules)}, which `keep` names, is not in the exported network; name "
            "modules that `forward` calls"
        )
    return names


def _is_within(name: str, modules: Sequence[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def grouped_transposed(graph: Any) -> list[str]:
    """Returns the names of transposed convolutions with several groups, which stay in float.

    ONNX Runtime's quantizer gives their weights one scale for each output channel of a group, and
    their bias one for each output channel, which does not fit.
    """
    return [
        node.name
        for node in graph.node
        if node.op_type == "ConvTranspose"
        and any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)
    ]


def clipped_outputs(graph: Any) -> list[str]:
    """Returns the names of the Relu and Clip nodes that read an output of the network.

    ONNX Runtime's quantizer gives their input the range of their output. An output of the network,
    such as features beside the logits, would lose its negative values.
    """
    outputs = {value.name for value in graph.output}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("Relu", "Clip") and node.input[0] in outputs
    ]


def layer_of(node: str) -> str:
    """Returns the module that a node is named after: "layer1.0" for "/layer1/layer1.0/Conv".

    The exporter writes a module called by a Sequential after its parent, with the parent's name
    repeated ("layer1", "layer1.0"). It writes a module of a ModuleList in one piece ("blocks.0").
    """
    parts = node.strip("/").split("/")
    operator = (i for i, part in enumerate(parts) if part.split("_")[0] in LAYERS)
    return _joined(parts[: next(operator, len(parts))])


def _modules_of(node: str) -> list[str]:
    """Returns the modules around a node of any operator: "a", "a.b" for "/a/a.b_1/Relu_2".

    The exporter adds a number to the second call of a module.
    """
    scopes = node.strip("/").split("/")[:-1]
    return [name for scope in scopes for name in (scope, re.sub(r"_\d+$", "", scope))]


def _joined(parts: Sequence[str]) -> str:
    path: list[str] = []
    before = ""
    for part in parts:
        path.append(part.removeprefix(f"{before}.") if before else part)
        before = part
    return ".".join(path)
