"""Removes copies of weights from an exported graph."""

from __future__ import annotations

from pathlib import Path


def drop_weight_copies(path: Path) -> None:
    """Makes every node read weights directly instead of through an Identity.

    The exporter stores equal weights once and inserts an Identity before each further use. Examples
    are a layer that is applied twice, and biases that are still zero. The quantizers need weights
    directly before a MatMul, and would leave such layers in float.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    origin: dict[str, str] = {}
    kept = []
    for node in graph.node:  # sorted: each node comes after the nodes that it reads from
        source = origin.get(node.input[0], node.input[0]) if node.input else ""
        if node.op_type == "Identity" and source in weights and node.output[0] not in outputs:
            origin[node.output[0]] = source
            continue
        kept.append(node)
    if not origin:
        return
    for node in kept:
        for index, name in enumerate(node.input):
            node.input[index] = origin.get(name, name)
    del graph.node[:]
    graph.node.extend(kept)
    onnx.save(model, str(path))
