"""Intercepts every call of a torch function in a network, with the module that makes the call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from paretune.objectives.profiling.base import OWN_CODE

Run = Callable[[], Any]
Watcher = Callable[[str, str, Run, tuple[Any, ...]], Any]
"""(path of the module, name of the function, the call, its arguments) -> result of the call."""

NO_WORK = frozenset({"__get__", "__set__", "size", "dim", "numel", "is_floating_point", "stride"})
"""Functions that only ask about a tensor; they are not intercepted."""


class CallWatcher(TorchFunctionMode):
    """Passes each outermost torch function to a watcher: `conv2d`, not the functions inside it.

    Args:
        model: The network; hooks record which of its modules runs.
        watcher: Receives each call, and makes it.
        entered: Called with a module's path and True when it begins, and with False when it ends.
    """

    def __init__(
        self,
        model: nn.Module,
        watcher: Watcher,
        entered: Callable[[str, bool], None] = lambda path, begins: None,
    ) -> None:
        super().__init__()
        self._model = model
        self._watcher = watcher
        self._entered = entered
        self._stack = [OWN_CODE]

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Intercepts a call of a torch function."""
        options = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in NO_WORK:
            return func(*args, **options)
        arguments = (*args, *options.values()) if options else args
        return self._watcher(self._stack[-1], name, lambda: func(*args, **options), arguments)

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Hooks the modules, and removes the hooks at the end."""
        handles = []
        for path, module in self._model.named_modules():

            def begins(module: nn.Module, inputs: Any, path: str = path) -> None:
                self._stack.append(path)
                self._entered(path, True)

            def ends(module: nn.Module, inputs: Any, output: Any, path: str = path) -> None:
                self._entered(path, False)
                self._stack.pop()

            handles.append(module.register_forward_pre_hook(begins))
            handles.append(module.register_forward_hook(ends))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._stack[1:] = []


def tensors(values: Any) -> Iterator[torch.Tensor]:
    """Yields all tensors in arguments or results."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors(value)
    elif isinstance(values, dict):
        yield from tensors(list(values.values()))
