"""Names of modules in the nodes of an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def qualified_scopes(model: torch.nn.Module) -> Iterator[None]:
    """Lets torch's exporter name nodes after modules as `named_modules` does.

    It leaves the containers out that `forward` does not call: a layer `heads.0.box` is named `box`,
    and so is `other.box`.

    Args:
        model: The network that is exported inside the `with` block.
    """
    import torch

    def rename(*_: Any) -> None:
        names: dict[Any, str] | None = getattr(torch.jit._trace, "_trace_module_map", None)
        if names is None:  # a pass that no export traces
            return
        for name, module in model.named_modules():
            if name:
                kind = torch.typename(type(module))
                names[module] = torch._C._jit_onnx_create_full_scope_name(kind, name)

    hook = model.register_forward_pre_hook(rename, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()
