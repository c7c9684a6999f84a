"""Reads from the name of a node in a deployed graph which module of the network it came from."""

from __future__ import annotations

from collections.abc import Collection


def module_of(name: str, modules: Collection[str]) -> str | None:
    """Returns the module of a node or tensor; None if its name has no scope.

    torch's exporter names nodes and tensors by scope: "/layer1/layer1.0/conv1/Conv_output_0". A
    module called by a Sequential repeats its parent's name ("layer1", "layer1.0"). A module of a
    ModuleList is written in one piece ("blocks.0"). Runtimes add words before and after it: "fused
    /7/Gemm", "/0/Conv_token_1", "/norm/LayerNormalization/SkipLayerNorm_AddBias".

    Args:
        name: Name of a node or a tensor.
        modules: Qualified names of all modules.

    Returns:
        The deepest module that matches; "" for the network itself.
    """
    begin = name.find("/")
    if begin < 0:
        return None
    path = before = ""
    for part in name[begin + 1 :].split("/"):
        step = part.removeprefix(f"{before}.") if before else part
        deeper = f"{path}.{step}" if path else step
        if deeper not in modules:
            break
        path, before = deeper, part
    return path
