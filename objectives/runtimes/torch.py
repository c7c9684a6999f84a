"""The runtime `torch`: PyTorch eager, which runs one operator after the other from Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.base import Artifact, Compute, check_mode
from paretune.objectives.runtimes.torch_export import TorchExport
from paretune.objectives.runtimes.torch_programs import (
    TorchSession,
    export_program,
    load_program,
    program_outputs,
    refuse_pickles,
)

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest


class Torch:
    """PyTorch eager (.pt2): float32 on cpu, cuda or mps, as networks run during training.

    The file is a program of torch.export: graph and weights. torch loads it without the network's
    Python code and without pickles. The operators are those of the network's `forward`, run one by
    one; the time does not include the layers' Python code between them. There is no quantization,
    because eager mode has no fast kernels for it.
    """

    name = "torch"
    suffix = ".pt2"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "torch"
    needs = "nothing more; device cuda or mps needs such a GPU"
    packages: tuple[str, ...] = ("torch",)

    class Params(Params):
        """Options of torch."""

        device: Literal["cpu", "cuda", "mps"] = Field("cpu", description="device that it runs on")
        threads: Threads = 1
        graph: bool = Field(False, description="on cuda, time a replayed graph of the kernels")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Exports the model as a program; the batch and the declared axes are dynamic.

        Raises:
            Unmeasurable: It cannot be exported, or quantization is requested.
            OSError: The file cannot be written.
        """
        check_mode(Torch, quantization)
        return replace(TorchExport.export(model, shape, path), runtime=Torch.name)

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
            Unmeasurable: The file is damaged or contains pickled objects, or the device is missing.
        """
        from torch.export.passes import move_to_device_pass

        _check_device(options.device)
        program = load_program(path)
        if options.device != "cpu":
            program = move_to_device_pass(program, options.device)
        threads = options.threads if threads is None else threads
        return TorchSession(program.module(), threads, options.device, options.graph)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        if options.device == "cpu":
            return TorchExport.standalone(options, several)
        return f"""\
import torch
from torch.export.passes import move_to_device_pass


def load(path):
    torch.set_num_threads({options.threads or cores()})
    program = move_to_device_pass(torch.export.load(path), "{options.device}")
    module = program.module()

{(_RUN_SEVERAL if several else _RUN).format(device=options.device)}
    return run
"""

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


_RUN = """\
    def run(inputs):
        with torch.inference_mode():
            return module(torch.from_numpy(inputs).to("{device}")).cpu().numpy()
"""

_RUN_SEVERAL = """\
    def run(*inputs):
        with torch.inference_mode():
            outputs = module(*(torch.from_numpy(x).to("{device}") for x in inputs))
        if isinstance(outputs, torch.Tensor):
            return outputs.cpu().numpy()
        arrays = tuple(output.cpu().numpy() for output in outputs)
        return arrays[0] if len(arrays) == 1 else arrays
"""


def _check_device(device: str) -> None:
    import torch

    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not available[device]:
        names = ", ".join(name for name, present in available.items() if present)
        raise Unmeasurable(f'torch has no device "{device}" here; it has: {names}')
