"""The runtime `torch_export`: the graph that PyTorch's newer runtimes and compilers start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, Compute, check_mode
from paretune.objectives.runtimes.torch_programs import (
    TorchSession,
    export_program,
    load_program,
    loading_code,
    program_outputs,
    refuse_pickles,
    save_program,
)

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest


class TorchExport:
    """torch.export (.pt2): float32, the input of ExecuTorch, AOTInductor and torch.compile.

    Measurements run the program operator by operator, on the CPU.
    """

    name = "torch_export"
    suffix = ".pt2"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "torch"
    needs = "nothing more"
    packages: tuple[str, ...] = ("torch",)

    class Params(Params):
        """Options of torch_export."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Exports the model; the batch and the declared axes are dynamic.

        Raises:
            Unmeasurable: It cannot be exported, or quantization is requested.
            OSError: The file cannot be written.
        """
        check_mode(TorchExport, quantization)

        def write(draft: Path) -> dict[str, Any]:
            network = export_program(model, shape)
            save_program(network.program, draft)
            return dict(network.info)

        return write_artifact(path, TorchExport.name, write)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> Compute:
        """Does the first part of `export`; returns what torch.export's program computes.

        The rest takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        return program_outputs(export_program(model, shape).program)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> TorchSession:
        """Returns a session. It sets torch's thread count for the whole process.

        Raises:
            Unmeasurable: The file is damaged, or contains pickled objects.
        """
        threads = options.threads if threads is None else threads
        return TorchSession(load_program(path).module(), threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return loading_code("torch.export.load(path).module()", options.threads, several)

    @staticmethod
    def refuse(path: Path) -> None:
        """Checks a file before another process loads it.

        Raises:
            Unmeasurable: It is damaged, or contains pickled objects, which could run any code.
        """
        refuse_pickles(path)

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None
