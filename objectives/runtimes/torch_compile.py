"""The runtime `torch_compile`: AOTInductor compiles the network to a shared library."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, Compute, check_mode
from paretune.objectives.runtimes.torch_programs import (
    TorchSession,
    export_program,
    loading_code,
    program_outputs,
)

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest

SETTINGS = {"cpp.dynamic_threads": True}
"""Settings of the compiler. Without dynamic threads, the code has a fixed thread count: the one set
while it was compiled."""

COMPILERS = ("g++", "clang++", "c++")
"""Compilers that are looked for on the PATH, unless CXX names one."""


class TorchCompile:
    """torch.compile ahead of time, AOTInductor (.pt2): float32, C++ compiled for this processor.

    The file contains the compiled library with the weights; torch (or libtorch, without Python)
    loads it. Compiling takes 5 to 40 s per network, so a search is slow. The library runs on the
    kind of processor that compiled it. There is no quantization, because the quantizer for this
    compiler refuses networks with shortcuts (torchao 0.18, X86InductorQuantizer on a ResNet).
    """

    name = "torch_compile"
    suffix = ".pt2"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "torch"
    needs = "a C++ compiler (g++ or clang++)"
    packages: tuple[str, ...] = ("torch",)

    class Params(Params):
        """Options of torch_compile."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Compiles the model; the batch and the declared axes are dynamic.

        Raises:
            Unmeasurable: It cannot be exported or compiled, or quantization is requested.
            OSError: The file cannot be written.
        """
        check_mode(TorchCompile, quantization)
        _check_here()

        def write(draft: Path) -> dict[str, Any]:
            network = export_program(model, shape)
            package = draft.with_name("package.pt2")  # AOTInductor accepts this suffix only
            _compile(network.program, package)
            package.rename(draft)
            return dict(network.info)

        return write_artifact(path, TorchCompile.name, write)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> Compute:
        """Does the first part of `export`; returns what torch.export's program computes.

        The rest takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        _check_here()
        return program_outputs(export_program(model, shape).program)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> TorchSession:
        """Returns a session. It sets torch's thread count for the whole process.

        Raises:
            Unmeasurable: The file is damaged.
        """
        from torch._inductor import aoti_load_package

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module = aoti_load_package(str(path))
            except Exception as error:  # RuntimeError, and exceptions of zipfile and json
                raise Unmeasurable(f"AOTInductor cannot load {path.name}: {error}") from error
        return TorchSession(module, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return loading_code("torch._inductor.aoti_load_package(path)", options.threads, several)

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        compiler = os.environ.get("CXX")
        if any(shutil.which(name) for name in ((compiler,) if compiler else COMPILERS)):
            return None
        return f"no C++ compiler ({compiler or ' or '.join(COMPILERS)}) on the PATH; install g++"


def _check_here() -> None:
    reason = TorchCompile.unavailable()
    if reason:
        raise Unmeasurable(f"torch_compile: {reason}")


def _compile(program: torch.export.ExportedProgram, package: Path) -> None:
    from torch._inductor import aoti_compile_and_package

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            aoti_compile_and_package(
                program, package_path=str(package), inductor_configs=dict(SETTINGS)
            )
        except Exception as error:  # compiler and lowering raise many kinds of exceptions
            raise Unmeasurable(f"AOTInductor cannot compile the network: {error}") from error
