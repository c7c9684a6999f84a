"""Digests of objects of this process: of their source, their values and all that they use.

A class of a notebook cell uses other cells: functions, classes and values by their global names. If
any of them changes, networks that the class makes may differ, so all of them count.
"""

from __future__ import annotations

import dis
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from paretune.search.user_code.code_digests import BUILT_IN, INSTALLED, code_digest
from paretune.search.user_code.live_source import NoSource, functions_of, source_of

PLAIN = (type(None), bool, int, float, complex, str, bytes, PurePath, type(...), range, slice)


def object_digest(value: Any) -> str:
    """Returns the digest of an object: of its source, its values and all that it uses.

    Raises:
        NoSource: A class or function has neither source nor a `version`.
    """
    digester = _Digester()
    digester.add(value)
    return digester.hexdigest()


def is_installed(module: str) -> bool:
    """Returns whether a module is of the standard library, of a package, or of Paretune."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return top == BUILT_IN or any(f"/{each}/" in file.replace("\\", "/") for each in INSTALLED)


def has_file(module: str) -> bool:
    """Returns whether another process can import a module: it has a file of its own name."""
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    return module != "__main__" and spec is not None and bool(spec.origin)


class _Digester:
    """Adds up the parts of one object; what it has seen counts once."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()
        self._seen: dict[int, Any] = {}

    def hexdigest(self) -> str:
        return self._total.hexdigest()

    def add(self, value: Any) -> None:
        if isinstance(value, PLAIN):
            self._note(repr(value))
            return
        if id(value) in self._seen:
            self._note("again", list(self._seen).index(id(value)))
            return
        self._seen[id(value)] = value  # keeps it alive: its id is not used again
        self._add_new(value)

    def _note(self, *parts: object) -> None:
        for part in parts:
            self._total.update(f"{part}\0".encode())

    def _add_new(self, value: Any) -> None:
        match value:
            case ModuleType():
                self._add_module(value.__name__)
            case type():
                self._add_class(value)
            case FunctionType():
                self._add_function(value)
            case MethodType():
                self.add(value.__func__)
                self.add(value.__self__)
            case Mapping():
                self._note("mapping", len(value))
                for key, child in value.items():
                    self.add(key)
                    self.add(child)
            case list() | tuple():
                self._note(type(value).__name__, len(value))
                for child in value:
                    self.add(child)
            case set() | frozenset():
                self._note("set", sorted(map(repr, value)))
            case _:
                self._add_instance(value)

    def _add_module(self, name: str) -> None:
        self._note("module", name, None if is_installed(name) else code_digest(f"{name}:all"))

    def _add_class(self, value: type) -> None:
        self._note("class", value.__qualname__)
        if self._is_elsewhere(value.__module__):
            return
        self._add_source(value)
        for base in value.__bases__:
            self.add(base)
        for function in functions_of(value):
            self._add_used(function)

    def _add_function(self, value: FunctionType) -> None:
        self._note("function", value.__qualname__)
        if not self._is_elsewhere(value.__module__):
            self._add_source(value)
            self._add_used(value)

    def _is_elsewhere(self, module: str) -> bool:
        """Notes the module of something that has a file, or is installed; else returns False."""
        if not is_installed(module) and not has_file(module):
            return False
        self._add_module(module)
        return True

    def _add_source(self, value: Any) -> None:
        version = getattr(value, "version", None)
        try:
            self._note(source_of(value))
        except NoSource:
            if version is None:
                raise
        self._note(version)

    def _add_used(self, function: FunctionType) -> None:
        """Adds the global values that a function names, its closure and its defaults."""
        for name in sorted(set(_global_names(function.__code__))):
            if name in function.__globals__:
                self._note(name)
                self.add(function.__globals__[name])
        for cell in function.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # not set yet, as a name in its own definition
                continue
        self.add(function.__defaults__)
        self.add(function.__kwdefaults__)

    def _add_instance(self, value: Any) -> None:
        self.add(type(value))
        for matches, add in _KINDS:
            if matches(value):
                add(self, value)
                return
        state = getattr(value, "__dict__", None)
        if isinstance(state, dict):
            self.add(dict(state))
        elif " at 0x" not in (text := repr(value)):
            self._note(text)

    def _add_array(self, value: Any) -> None:
        import numpy as np

        array = np.ascontiguousarray(value)
        self._note(array.dtype, array.shape)
        self._total.update(repr(array.tolist()).encode() if array.dtype.hasobject else array.data)

    def _add_tensor(self, value: Any) -> None:
        import torch

        tensor = value.detach().cpu().contiguous()
        self._note(tensor.dtype, tuple(tensor.shape))
        self._total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)

    def _add_network(self, value: Any) -> None:
        """Adds a torch module: layers with their options, weights, and further plain attributes."""
        self._note(repr(value))
        for name, module in value.named_modules():
            self._note(name)
            self.add(type(module))
            for key, child in vars(module).items():
                if key != "training" and isinstance(child, PLAIN):
                    self._note(key, repr(child))
        for name, tensor in value.state_dict().items():
            self._note(name)
            self.add(tensor)


def _is_from(module: str, name: str) -> Callable[[Any], bool]:
    """Returns whether a value is of a class, without importing its module."""

    def is_one(value: Any) -> bool:
        loaded = sys.modules.get(module)
        return loaded is not None and isinstance(value, getattr(loaded, name))

    return is_one


_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[_Digester, Any], None]], ...] = (
    (_is_from("torch.nn", "Module"), _Digester._add_network),
    (_is_from("torch", "Tensor"), _Digester._add_tensor),
    (_is_from("numpy", "ndarray"), _Digester._add_array),
    (_is_from("numpy", "generic"), _Digester._add_array),
)


def _global_names(code: CodeType) -> Iterator[str]:
    """Yields the global names that a function reads, and the functions inside it."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
