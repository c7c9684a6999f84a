"""PyTorch, eager: one operator after the other, called from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.inputs import Shape
from paretune.objectives.params import Params
from paretune.objectives.runtimes.base import Artifact, check_mode
from paretune.objectives.runtimes.torch_export import TorchExport
from paretune.objectives.runtimes.torch_programs import (
    TorchSession,
    export_program,
    load_program,
    refuse_pickles,
)

if TYPE_CHECKING:
    import numpy as np
    import torch


class Torch:
    """PyTorch eager (.pt2): float32 on cpu, cuda or mps, what most people run while they train.

    The file is a program of torch.export: graph and weights, which torch alone loads, without the
    network's Python code and without pickles. Its operators are those of the network's own
    `forward`, run one by one; what the layers' Python code costs between them is not in the time.
    Quantized networks have no fast kernels in eager mode, so it has no quantization.
    """

    name = "torch"
    suffix = ".pt2"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "torch"
    needs = "nothing more; device cuda or mps needs one"
    packages: tuple[str, ...] = ("torch",)

    class Params(Params):
        """Options of torch."""

        device: Literal["cpu", "cuda", "mps"] = Field("cpu", description="where it runs")
        threads: int = Field(1, ge=0, le=1024, description="of one inference; 0: all cores")
        graph: bool = Field(False, description="on cuda, time a replayed graph of the kernels")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Exports the model as a program; the batch dimension is dynamic.

        Raises:
            Unmeasurable: It cannot be exported, or quantization is asked for.
            OSError: The file cannot be written.
        """
        check_mode(Torch, quantization)
        return replace(TorchExport.export(model, shape, path), runtime=Torch.name)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> None:
        """As `export`, up to torch.export's program: what follows takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        export_program(model, shape)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> TorchSession:
        """A session; the thread count is torch's own, for the whole process.

        Raises:
            Unmeasurable: The file is damaged or holds pickled objects, or the device is not here.
        """
        from torch.export.passes import move_to_device_pass

        _check_device(options.device)
        program = load_program(path)
        if options.device != "cpu":
            program = move_to_device_pass(program, options.device)
        threads = options.threads if threads is None else threads
        return TorchSession(program.module(), threads, options.device, options.graph)

    @staticmethod
    def standalone(options: Any) -> str:
        """Python that loads a file without Paretune."""
        if options.device == "cpu":
            return TorchExport.standalone(options)
        return f"""\
import torch
from torch.export.passes import move_to_device_pass


def load(path):
    torch.set_num_threads({options.threads or cores()})
    program = move_to_device_pass(torch.export.load(path), "{options.device}")
    module = program.module()

    def run(inputs):
        with torch.inference_mode():
            return module(torch.from_numpy(inputs).to("{options.device}")).cpu().numpy()

    return run
"""

    @staticmethod
    def refuse(path: Path) -> None:
        """Looks into a file before another process loads it.

        Raises:
            Unmeasurable: It is damaged, or holds pickled objects, which would run code.
        """
        refuse_pickles(path)

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot be used here, or None."""
        return None


def _check_device(device: str) -> None:
    import torch

    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here[device]:
        names = ", ".join(name for name, is_here in here.items() if is_here)
        raise Unmeasurable(f'torch has no device "{device}" here; it has: {names}')
