"""The mode `weight_only`: weights of linear layers in 4 or 8 bits, the rest in float32."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.layers import nodes_within

if TYPE_CHECKING:
    import numpy as np

ACCURACY_LEVEL = 4
"""Level 4 rounds activations to 8 bits per block inside the product. Without it, 8-bit weights took
10 to 50 times as long as float32 weights (1024x256, one thread, ONNX Runtime 1.31)."""


def quantize_weights(plain: Path, draft: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the file with MatMulNBits in place of each Gemm and MatMul with constant weights.

    Raises:
        Unmeasurable: No such layer has at least `block` inputs.
    """
    import onnx
    from onnx import helper, numpy_helper

    bits, block = options["bits"], options["block"]
    model = onnx.load(str(plain))
    graph = model.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    named = set(nodes_within(graph, options.get("keep", [])))
    nodes, quantized, kept = [], [], []
    for node in graph.node:
        matrix = _matrix(node, weights)
        if matrix is None or len(matrix) < block or node.name in named:
            nodes.append(node)
            kept += [node.name] if matrix is not None else []
            continue
        nodes += _replacement(graph, node, matrix, bits, block)
        quantized.append(node.name)
    if not quantized:
        raise Unmeasurable(
            f"weight-only int{bits}: no linear layer has at least {block} inputs; "
            "convolutions are not quantized this way"
        )
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    for tensor in [t for t in graph.initializer if t.name not in used]:
        graph.initializer.remove(tensor)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(draft))
    return {"layers": quantized, "float_layers": kept}


def pack_weights(matrix: np.ndarray, bits: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a weight matrix to the format of MatMulNBits: symmetric, one scale for each block.

    Format: MatMulNBits in
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.

    Args:
        matrix: float32 [K, N].
        bits: 4 or 8.
        block: Inputs that share a scale.

    Returns:
        Values uint8 [N, blocks, block * bits / 8], and scales float32 [N * blocks]. 4-bit values
        fill the lower half of a byte first. A stored v means (v - 2 ** (bits - 1)) * scale.
    """
    import numpy as np

    inputs, outputs = matrix.shape
    blocks = -(-inputs // block)
    padded = np.pad(matrix.T, ((0, 0), (0, blocks * block - inputs)))
    parts = padded.reshape(outputs, blocks, block)
    middle = 2 ** (bits - 1)
    scales = np.abs(parts).max(axis=2) / (middle - 1)
    scales[scales == 0] = 1
    rounded = np.clip(np.round(parts / scales[..., None]), 1 - middle, middle - 1)
    values = (rounded + middle).astype(np.uint8)
    if bits == 4:
        values = values[..., 0::2] | (values[..., 1::2] << 4)
    return values, scales.astype(np.float32).reshape(-1)


def _matrix(node: Any, weights: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns the weights [inputs, outputs] of a linear layer, or None for other nodes."""
    from onnx import helper

    if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in weights:
        return None
    matrix = weights[node.input[1]]
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if matrix.ndim != 2 or attributes.get("transA") or attributes.get("alpha", 1) != 1:
        return None
    if attributes.get("beta", 1) != 1:
        return None
    return matrix.T if attributes.get("transB") else matrix


def _replacement(graph: Any, node: Any, matrix: np.ndarray, bits: int, block: int) -> list[Any]:
    """Returns a MatMulNBits, followed by an Add if a Gemm had a bias."""
    from onnx import helper, numpy_helper

    values, scales = pack_weights(matrix, bits, block)
    names = [f"{node.name}_int{bits}", f"{node.name}_scales"]
    graph.initializer.append(numpy_helper.from_array(values, names[0]))
    graph.initializer.append(numpy_helper.from_array(scales, names[1]))
    biased = node.op_type == "Gemm" and len(node.input) == 3
    product_name = f"{node.name}_product" if biased else node.output[0]
    product = helper.make_node(
        "MatMulNBits",
        [node.input[0], *names],
        [product_name],
        name=f"{node.name}_int{bits}",
        domain="com.microsoft",
        K=matrix.shape[0],
        N=matrix.shape[1],
        bits=bits,
        block_size=block,
        accuracy_level=ACCURACY_LEVEL,
    )
    if not biased:
        return [product]
    return [product, helper.make_node("Add", [product_name, node.input[2]], list(node.output))]
