"""Whose time a node of ONNX Runtime's optimized graph takes: the layer that it came from.

The optimizer fuses nodes and names the new ones in several ways: "fused /7/Gemm" for 7 and an
activation, "/1/Relu_output_0_nchwc" for the convolution whose result, after the fused Relu, that
tensor is. A fused node counts for the layer whose multiply-adds it does; another for the one whose
result it gives. What changes formats (Q/DQ, reordered channels) counts for the layer it is done
for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from paretune.objectives.profiling.module_names import module_of

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Parts of the names of operators that carry weights: also of QLinearConv, FusedGemm, ..."""

BEFORE = ("ReorderInput", "QuantizeLinear", "DynamicQuantizeLinear", "DequantizeLinear")
"""Changes of format that are made for who reads the result."""

REORDERED = "_nchwc"


class Attribution:
    """Nodes of the optimized graph -> modules.

    Args:
        plain: The onnx.GraphProto of the file.
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
        self._givers = {name: node for node in optimized.node for name in node.output}
        fused = {n: node for n, node in nodes.items() if n.endswith(REORDERED)}
        self._found: dict[str, str] = dict(self._matched(fused))
        self._paths = {name: self._path(node) for name, node in nodes.items()}

    def path(self, name: str) -> str:
        """The module of a node by its name; "" where it belongs to none."""
        if name in self._paths:
            return self._paths[name]
        return module_of(name, self._modules) or ""

    def _path(self, node: Any) -> str:
        if node.name in self._found:
            return self._found[node.name]
        changes = node.op_type in BEFORE
        named = None if changes else module_of(node.name, self._modules)
        if named is None and not changes:  # the file's own names of tensors are left
            named = next(self._of_tensors(node.output), None)
        if named is not None:
            return named
        forward, backward = self._walk(node, self._readers), self._walk(node, self._givers)
        return next((p for p in ((forward, backward)) if p is not None), "")

    def _of_tensors(self, names: Collection[str]) -> Iterator[str]:
        return (p for p in (module_of(name, self._modules) for name in names) if p is not None)

    def _walk(self, node: Any, neighbours: dict[str, Any]) -> str | None:
        """The module of the next node in a direction that has one."""
        seen: set[str] = set()
        while node.name not in seen:
            seen.add(node.name)
            ways = node.output if neighbours is self._readers else node.input
            node = next((neighbours[name] for name in ways if name in neighbours), None)
            if node is None:
                return None
            if node.name in self._found:
                return self._found[node.name]
            if node.op_type not in BEFORE:
                named = module_of(node.name, self._modules)
                if named is not None:
                    return named
        return None

    # -- nodes that are named by the tensor that they give -----------------------------------------

    def _matched(self, fused: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """Each such node with the module of the node of the same operator behind its tensor.

        Behind a residual sum there are two convolutions: one of them is another node's own.
        """
        open_: dict[str, dict[str, None]] = {}
        for name, node in fused.items():
            maker = self._makers.get(name.removesuffix(REORDERED))
            open_[name] = dict.fromkeys(self._behind(maker, node.op_type) if maker else ())
        taken: set[str] = set()
        while open_:
            name = min(open_, key=lambda n: len(open_[n].keys() - taken) or len(open_) + 99)
            left = [origin for origin in open_.pop(name) if origin not in taken]
            if left:
                taken.add(left[0])
            origin = left[0] if left else name.removesuffix(REORDERED)
            yield name, module_of(origin, self._modules) or ""

    def _behind(self, node: Any, operator: str) -> Iterator[str]:
        """Names of the nearest nodes with this operator, from a node backwards, nearest first."""
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
