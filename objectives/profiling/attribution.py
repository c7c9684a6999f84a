"""Attributes nodes of ONNX Runtime's optimized graph to layers of the network.

The optimizer fuses nodes and names the new ones in several ways. "fused /7/Gemm" is layer 7 with an
activation. "/1/Relu_output_0_nchwc" is the convolution that writes that tensor, after the fused
Relu. Three rules apply:

- A fused node belongs to the layer that has its multiply-adds.
- Any other node belongs to the layer that has its output.
- A change of format (Q/DQ, reordered channels) belongs to the layer that it is made for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from paretune.objectives.profiling.module_names import module_of

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Endings of operators with weights, such as QLinearConv and FusedGemm."""

FORMAT_CHANGES = ("ReorderInput", "QuantizeLinear", "DynamicQuantizeLinear", "DequantizeLinear")
"""Changes of format that are made for the node that reads the result."""

REORDERED = "_nchwc"
"""Suffix of nodes that are named by the tensor they write, with reordered channels."""


class Attribution:
    """Maps nodes of the optimized graph to modules.

    Args:
        plain: The onnx.GraphProto in the file.
        optimized: The onnx.GraphProto that ONNX Runtime runs.
        modules: Qualified names of the network's modules.
    """

    def __init__(self, plain: Any, optimized: Any, modules: Collection[str]) -> None:
        self._modules = modules
        self._makers = {name: node for node in plain.node for name in node.output}
        nodes = {node.name: node for node in optimized.node}
        self._readers: dict[str, Any] = {}
        for node in optimized.node:
            for name in node.input:
                self._readers.setdefault(name, node)
        self._writers = {name: node for node in optimized.node for name in node.output}
        fused = {n: node for n, node in nodes.items() if n.endswith(REORDERED)}
        self._matches: dict[str, str] = dict(self._match_fused(fused))
        self._paths = {name: self._path(node) for name, node in nodes.items()}

    def path(self, name: str) -> str:
        """Returns the module of a node; "" if it belongs to none."""
        if name in self._paths:
            return self._paths[name]
        return module_of(name, self._modules) or ""

    def _path(self, node: Any) -> str:
        if node.name in self._matches:
            return self._matches[node.name]
        changes_format = node.op_type in FORMAT_CHANGES
        named = None if changes_format else module_of(node.name, self._modules)
        if named is None and not changes_format:  # its tensors may have kept their names
            named = next(self._modules_of(node.output), None)
        if named is not None:
            return named
        forward, backward = self._walk(node, self._readers), self._walk(node, self._writers)
        return next((path for path in (forward, backward) if path is not None), "")

    def _modules_of(self, names: Collection[str]) -> Iterator[str]:
        return (p for p in (module_of(name, self._modules) for name in names) if p is not None)

    def _walk(self, node: Any, neighbours: dict[str, Any]) -> str | None:
        """Returns the module of the nearest node in one direction that has one."""
        seen: set[str] = set()
        while node.name not in seen:
            seen.add(node.name)
            tensors = node.output if neighbours is self._readers else node.input
            node = next((neighbours[name] for name in tensors if name in neighbours), None)
            if node is None:
                return None
            if node.name in self._matches:
                return self._matches[node.name]
            if node.op_type not in FORMAT_CHANGES:
                named = module_of(node.name, self._modules)
                if named is not None:
                    return named
        return None

    # -- nodes that are named by the tensor that they write ----------------------------------------

    def _match_fused(self, fused: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Yields each such node with the module that its operator came from.

        That is the module of a node with the same operator before its tensor. Before a residual sum
        there are two convolutions. One of them belongs to another fused node, so the fused node
        with the fewest candidates is matched first.
        """
        candidates: dict[str, dict[str, None]] = {}
        for name, node in fused.items():
            maker = self._makers.get(name.removesuffix(REORDERED))
            candidates[name] = dict.fromkeys(self._before(maker, node.op_type) if maker else ())
        taken: set[str] = set()
        while candidates:
            name = min(
                candidates,
                key=lambda n: len(candidates[n].keys() - taken) or len(candidates) + 99,
            )
            free = [origin for origin in candidates.pop(name) if origin not in taken]
            if free:
                taken.add(free[0])
            origin = free[0] if free else name.removesuffix(REORDERED)
            yield name, module_of(origin, self._modules) or ""

    def _before(self, node: Any, operator: str) -> Iterator[str]:
        """Yields the names of nodes with this operator that lead to a node, nearest first."""
        waiting, seen = [node], {node.name}
        while waiting:
            node = waiting.pop(0)
            if node.op_type == operator:
                yield node.name
                continue
            if node.op_type.endswith(PRODUCTS):
                continue
            makers = [self._makers[name] for name in node.input if name in self._makers]
            new = [maker for maker in makers if maker.name not in seen]
            seen |= {maker.name for maker in new}
            waiting += new
