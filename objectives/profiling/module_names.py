"""Which module of a network a node of a deployed graph came from, by its name."""

from __future__ import annotations

from collections.abc import Collection


def module_of(name: str, modules: Collection[str]) -> str | None:
    """The module whose scope a name begins with; None for a name without a scope.

    torch's exporter names nodes and tensors by scope, "/layer1/layer1.0/conv1/Conv_output_0":
    a part that a Sequential called begins with the part before it, one that was called through a
    ModuleList stands whole ("blocks.0"). Runtimes put words before and behind: "fused /7/Gemm",
    "/0/Conv_token_1", "/norm/LayerNormalization/SkipLayerNorm_AddBias".

    Args:
        name: Of a node or a tensor.
        modules: Qualified names of all modules.

    Returns:
        The deepest module that fits; "" for what the network itself does.
    """
    begin = name.find("/")
    if begin < 0:
        return None
    path = before = ""
    for part in name[begin + 1 :].split("/"):
        step = part.removeprefix(f"{before}.") if before else part
        found = f"{path}.{step}" if path else step
        if found not in modules:
            break
        path, before = found, part
    return path
