"""Finds masked attention scores in a graph: what no 8-bit range can hold.

A mask adds -10,000 (or the least float) to the score of padding. Quantized, scores of a few units
would share a range with it, and all of them would round to the same step: attention would look
everywhere alike.
"""

from __future__ import annotations

from typing import Any

MASKING = ("Add", "Where", "Sub")
PRODUCTS = ("MatMul", "Gemm", "Conv")


def masked_scores(graph: Any) -> list[str]:
    """Names of the nodes between a product and a Softmax, where a mask is among them.

    Args:
        graph: An onnx.GraphProto whose nodes have names.
    """
    makers = {output: node for node in graph.node for output in node.output}
    found: dict[str, None] = {}
    for softmax in graph.node:
        if softmax.op_type != "Softmax":
            continue
        between = _before(softmax, makers)
        if any(node.op_type in MASKING for node in between):
            found |= dict.fromkeys([softmax.name, *(node.name for node in between)])
    return list(found)


def _before(node: Any, makers: dict[str, Any]) -> list[Any]:
    """What leads to a node, up to the products that it comes from."""
    found: dict[int, Any] = {}
    waiting = list(node.input)
    while waiting:
        maker = makers.get(waiting.pop())
        if maker is None or maker.op_type in PRODUCTS or id(maker) in found:
            continue
        found[id(maker)] = maker
        waiting += maker.input
    return list(found.values())
