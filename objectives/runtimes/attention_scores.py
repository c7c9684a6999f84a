"""Finds masked attention scores in a graph, which no 8-bit range can hold.

A mask adds -10,000 (or the least float) to the scores of padding. In 8 bits, all other scores,
which differ by a few units, would round to the same step: attention would become uniform.
"""

from __future__ import annotations

from typing import Any

MASKING = ("Add", "Where", "Sub")
"""Operators that apply a mask."""

PRODUCTS = ("MatMul", "Gemm", "Conv")


def masked_scores(graph: Any) -> list[str]:
    """Returns the names of each masked Softmax and of the nodes between it and matrix products.

    Args:
        graph: An onnx.GraphProto with named nodes.
    """
    makers = {output: node for node in graph.node for output in node.output}
    names: dict[str, None] = {}
    for softmax in graph.node:
        if softmax.op_type != "Softmax":
            continue
        between = _after_products(softmax, makers)
        if any(node.op_type in MASKING for node in between):
            names |= dict.fromkeys([softmax.name, *(node.name for node in between)])
    return list(names)


def _after_products(node: Any, makers: dict[str, Any]) -> list[Any]:
    """Returns the nodes that lead to a node, back to the products that it depends on."""
    nodes: dict[int, Any] = {}
    waiting = list(node.input)
    while waiting:
        maker = makers.get(waiting.pop())
        if maker is None or maker.op_type in PRODUCTS or id(maker) in nodes:
            continue
        nodes[id(maker)] = maker
        waiting += maker.input
    return list(nodes.values())
