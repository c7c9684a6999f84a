"""Takes the copies of weights out of an exported graph."""

from __future__ import annotations

from pathlib import Path


def drop_weight_copies(path: Path) -> None:
    """Lets every node read a weight itself instead of an Identity of it.

    The exporter stores equal weights once and puts an Identity before each further use: of a layer
    applied several times, of biases that are still zero. The quantizers look for weights right
    before a MatMul, and leave such layers in float.
    """
    import onnx

    model = onnx.load(str(path))
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    origin: dict[str, str] = {}
    kept = []
    for node in graph.node:  # in an order in which each comes after what it reads
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
