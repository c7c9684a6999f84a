"""Forward trace: what a network's `forward` computes, call by call, and on which lines.

It explains a difference that was measured: which line turns a tensor into a Python value, and on
which line two runs part. It refuses nothing by itself.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from paretune import inputs as inputs_module
from paretune.inputs import call
from paretune.nests import Nest, leaves, mapped

VALUE_READS = {
    "__bool__": "a truth value",
    "__float__": "a Python number",
    "__int__": "a Python number",
    "__index__": "a Python number",
    "__complex__": "a Python number",
    "item": "a Python number",
    "tolist": "a list",
    "numpy": "a NumPy array",
    "__array__": "a NumPy array",
    "__format__": "a text",
    "is_nonzero": "a truth value",
    "equal": "a truth value",
    "allclose": "a truth value",
}
"""Functions that turn a tensor into a Python value -> what they return."""

SIZE_READS = ("size", "__len__", "__iter__", "unbind", "split", "chunk", "dim", "numel")
"""Functions whose result, or its length, may depend on the batch size; `shape` is a property."""

TORCH = str(Path(torch.__file__).parent) + os.sep
PACKAGE = str(Path(__file__).parent) + os.sep
CALLER = str(inputs_module.__file__)

SAME = 1e-4
"""Two runs agree in a call if its digests differ by less than this share of their size."""


@dataclass(frozen=True)
class Location:
    """A line of a network's code.

    Attributes:
        file: Path of the file; empty if only torch's own modules are on the stack.
        line: Number of the line.
        module: Qualified name and class of the innermost module: "features.0 (Conv2d)".
    """

    file: str
    line: int
    module: str

    @property
    def source(self) -> str:
        """The line's text without a comment at its end."""
        text = linecache.getline(self.file, self.line).strip() if self.file else ""
        return text.partition("  #")[0].strip() or text

    def __str__(self) -> str:
        """Returns the file, the line and its text, or the module's name."""
        if not self.file:
            return self.module or "an unknown line"
        module = f" (in {self.module})" if self.module else ""
        return f"{short_path(self.file)}:{self.line}: `{self.source}`{module}"


@dataclass(frozen=True)
class Call:
    """One call of a torch function.

    Attributes:
        name: Name of the function.
        where: The line that calls it.
        reads: What a call that turns a tensor into a Python value returns; else None.
        sizes: Whether the result may depend on the batch size.
        digests: For each output tensor: its shape, and a summary for each index of its first
            dimension.
    """

    name: str
    where: Location
    reads: str | None = None
    sizes: bool = False
    digests: tuple[tuple[tuple[int, ...], torch.Tensor], ...] = ()


def short_path(file: str) -> str:
    """Returns a path relative to the current folder if it is below it."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def trace(model: torch.nn.Module, inputs: Nest) -> list[Call]:
    """Returns the calls of one run; an exception ends the trace.

    Only calls that depend on the inputs are in it.
    """
    calls, _ = trace_until_error(model, inputs)
    return calls


def trace_until_error(model: torch.nn.Module, inputs: Nest) -> tuple[list[Call], Exception | None]:
    """Returns the calls of one run, and the exception that ended it, if any."""
    with _module_names(model) as stack:
        recorder = _Recorder(stack)
        inputs = mapped(inputs, lambda tensor: tensor.clone())
        recorder.derived |= {id(tensor): tensor for tensor in leaves(inputs)}
        try:
            with torch.no_grad(), recorder:
                call(model, inputs)
        except Exception as error:  # whatever the user's code raises
            return recorder.calls, error
    return recorder.calls, None


def first_difference(first: list[Call], second: list[Call], rows: int | None = None) -> Call | None:
    """Returns the first call in which two runs differ; None if no call does.

    Args:
        first: A run.
        second: Another run.
        rows: Number of examples of `second`, a run on the first examples of a larger batch; None
            for runs on the same batch.
    """
    for one, other in zip(first, second, strict=False):
        if (one.name, one.where) != (other.name, other.where):
            return other if rows is None else None  # a loop over the batch ends sooner
        for (shape, digest), (other_shape, other_digest) in zip(
            one.digests, other.digests, strict=False
        ):
            per_example = rows is not None and shape[:1] != other_shape[:1]
            if per_example and (other_shape[:1] != (rows,) or shape[1:] != other_shape[1:]):
                continue  # examples are not along the first dimension here
            if per_example:
                digest = digest[:rows]
            if digest.shape == other_digest.shape and _differs(digest, other_digest):
                return one
    return None


def _differs(first: torch.Tensor, second: torch.Tensor) -> bool:
    both = first.isfinite() & second.isfinite()
    if not torch.equal(first.isfinite(), second.isfinite()):
        return True
    gap = (first - second).abs()[both]
    size = torch.maximum(first.abs(), second.abs())[both]
    return bool((gap > SAME * size + 1e-12).any())


class _Recorder(TorchFunctionMode):
    """Records the calls of torch functions on tensors that depend on the inputs."""

    def __init__(self, modules: list[str]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.derived: dict[int, torch.Tensor] = {}  # keeps them alive, so that no id is used twice
        self._modules = modules

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        depends = any(id(leaf) in self.derived for leaf in leaves)
        result = func(*args, **kwargs)
        if not depends:
            return result
        outputs = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.derived |= {id(output): output for output in outputs}
        name, is_shape = _name(func)
        reads = VALUE_READS.get(name) if not outputs else None
        sizes = is_shape or name in SIZE_READS
        if outputs or reads or sizes:
            where = _location(sys._getframe(1), self._modules)
            digests = tuple(_digest(output) for output in outputs)
            self.calls.append(Call(name, where, reads, sizes, digests))
        return result


def _name(func: Callable[..., Any]) -> tuple[str, bool]:
    """Returns a function's name, and whether it is the property `shape`."""
    name = getattr(func, "__name__", str(func))
    if name == "__get__":
        return getattr(getattr(func, "__self__", None), "__name__", name), (
            getattr(getattr(func, "__self__", None), "__name__", "") == "shape"
        )
    return name, False


def _digest(tensor: torch.Tensor) -> tuple[tuple[int, ...], torch.Tensor]:
    """Returns the shape, and mean size and a weighted mean [N, 2] for each first index."""
    values = tensor.detach()
    if values.is_complex():
        values = torch.view_as_real(values)
    values = values.to(torch.float64)
    rows = values.reshape(1, -1) if values.ndim == 0 else values.reshape(len(values), -1)
    if not rows.numel():
        return tuple(tensor.shape), torch.zeros(len(rows), 2, dtype=torch.float64)
    weights = torch.linspace(0.5, 1.5, rows.shape[1], dtype=torch.float64)
    return tuple(tensor.shape), torch.stack([rows.abs().mean(1), (rows * weights).mean(1)], 1)


def _location(frame: FrameType | None, modules: list[str]) -> Location:
    """Returns the innermost line outside torch and outside this package."""
    module = modules[-1] if modules else ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE) or file == CALLER:
            break
        if not file.startswith((TORCH, "<")):
            return Location(file, frame.f_lineno, module)
        frame = frame.f_back
    return Location("", 0, module)


@contextmanager
def _module_names(model: torch.nn.Module) -> Iterator[list[str]]:
    """Yields the stack of the modules that run: "features.0 (Conv2d)"; the model has no name."""
    stack: list[str] = []
    handles = []
    for name, module in model.named_modules():
        text = f"{name} ({type(module).__name__})" if name else ""

        def enter(module: Any, args: Any, text: str = text) -> None:
            stack.append(text)

        def leave(module: Any, args: Any, output: Any) -> None:
            stack.pop()

        try:
            handles += [
                module.register_forward_pre_hook(enter),
                module.register_forward_hook(leave),
            ]
        except RuntimeError:  # a scripted module takes no hooks
            continue
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()
