"""Loads .mnn files and runs them with MNN's own module interface."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.mnn_file import MnnNotes, read_notes

if TYPE_CHECKING:
    import numpy as np

    from paretune.objectives.runtimes.base import Outputs

FED: dict[str, str] = {
    "float32": "float32",
    "int64": "int32",
    "int32": "int32",
    "bool": "int32",
    "uint8": "uint8",
}
"""Type of an input -> the type that MNN is fed. MNN has no 64-bit integers and no booleans."""

HIGH, LOW = 1, 2
"""MNN's precision modes: floats in 32 bits, and in 16 bits where the processor can."""

NORMAL_MEMORY, LOW_MEMORY = 0, 2
"""MNN's memory modes."""


class MnnSession:
    """A loaded .mnn file.

    Args:
        path: The file.
        threads: Threads of one inference.

    Raises:
        Unmeasurable: The file is damaged, or not Paretune's.
    """

    def __init__(self, path: Path, threads: int) -> None:
        import numpy as np

        notes = read_notes(path)
        with quiet():
            from MNN import expr, nn

            settings = {"backend": "CPU", "numThread": threads, **settings_of(notes)}
            try:
                manager = nn.create_runtime_manager((settings,))
                names = list(notes.inputs), list(notes.outputs)
                self._module = nn.load_module_from_file(str(path), *names, runtime_manager=manager)
            except Exception as error:  # a SystemError for every cause
                raise Unmeasurable(f"mnn cannot load {path.name}: it is damaged") from error
        self._types = {"float32": expr.float, "int32": expr.int, "uint8": expr.uint8}
        self._expr, self._outputs = expr, [np.dtype(kind) for kind in notes.outputs.values()]

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        """Runs a batch."""
        results = self._module.forward([self._variable(each) for each in inputs])
        if len(results) != len(self._outputs):
            raise Unmeasurable("mnn cannot run the network on these inputs")
        arrays = tuple(map(self._array, results, self._outputs))
        return arrays[0] if len(arrays) == 1 else arrays

    def _variable(self, values: np.ndarray) -> Any:
        import numpy as np

        fed = np.ascontiguousarray(values, FED[str(values.dtype)])
        return self._expr.const(fed, list(fed.shape), self._expr.NCHW, self._types[str(fed.dtype)])

    def _array(self, result: Any, dtype: np.dtype[Any]) -> np.ndarray:
        plain = result.data_format == self._expr.NCHW
        variable = result if plain else self._expr.convert(result, self._expr.NCHW)
        values = variable.read()  # the memory is the variable's: it must live until the copy
        array: np.ndarray = values.astype(dtype)
        return array


def settings_of(notes: MnnNotes) -> dict[str, int]:
    """Returns the modes in which MNN runs a file."""
    return {
        "precision": LOW if notes.float16 else HIGH,
        "memory": LOW_MEMORY if notes.low_memory else NORMAL_MEMORY,
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what C++ code prints to standard output: MNN prints a line when it is imported.

    Commands with `--json` write only JSON there.
    """
    sys.stdout.flush()
    _flush_c()
    try:
        kept = os.dup(1)
    except OSError:  # there is no standard output
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        _flush_c()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def _flush_c() -> None:
    """Flushes the buffers of the C library."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)


def fed(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns arrays in the types that MNN is fed."""
    return [array.astype(FED[str(array.dtype)]) for array in arrays]
