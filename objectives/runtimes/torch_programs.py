"""Programs of torch.export: the graphs that PyTorch's runtimes and compilers start from."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.runtimes.base import Compute, Outputs
from paretune.objectives.runtimes.cuda_timer import EventTimer

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.objectives.runtimes.flat_module import FlatNetwork


@dataclass(frozen=True)
class ExportedNetwork:
    """A network as a program.

    Attributes:
        program: Its graph and weights; takes positional tensors.
        info: Notes for `Artifact.info`: the form of several outputs.
    """

    program: torch.export.ExportedProgram
    info: Mapping[str, Any]


def export_program(
    model: torch.nn.Module, shape: Shape, batch: int = 2, largest: int | None = None
) -> ExportedNetwork:
    """Returns the model as a program.

    Args:
        model: On the CPU, in evaluation mode.
        shape: What it takes.
        batch: Batch size of the traced example; 1 makes a program for single inputs only.
        largest: Largest batch that the program accepts; None for any.

    Raises:
        Unmeasurable: torch.export refuses the model.
    """
    import torch

    from paretune.objectives.runtimes.flat_module import flat_network

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they concern torch's internals
        try:
            network = flat_network(model, shape, batch)
            program = torch.export.export(
                network.module,
                network.examples,
                dynamic_shapes=dynamic_shapes(network, largest) if batch > 1 else None,
            )
        except Unmeasurable:
            raise
        except Exception as error:  # torch.export raises many kinds of exceptions
            raise Unmeasurable(f"torch.export refuses the network: {error}") from error
    return ExportedNetwork(program, network.info)


def dynamic_shapes(network: FlatNetwork, largest: int | None) -> tuple[Any, ...]:
    """Returns the axes that vary, as torch.export takes them.

    The sizes of declared axes have no named Dim. torch.export refuses one if only some sizes are
    possible, such as multiples of a stride; a program with Dim.DYNAMIC refuses the others when it
    runs.

    Args:
        network: The network.
        largest: Largest batch; None for any.
    """
    from torch.export import Dim

    batch = Dim("batch", min=1, max=largest)
    axes = tuple(
        {axis: batch if axis == 0 else Dim.DYNAMIC for axis in names}
        for names in network.input_axes
    )
    return (axes,) if network.is_wrapped else axes  # a FlatModule takes *inputs


def program_outputs(program: torch.export.ExportedProgram) -> Compute:
    """Returns what a program computes, on the CPU."""
    import torch

    module = program.module()

    def run(*inputs: np.ndarray) -> Outputs:
        with torch.inference_mode():
            return arrays_of(module(*map(torch.from_numpy, inputs)))

    return run


def arrays_of(outputs: Any) -> Outputs:
    """Returns a program's output as an array on the host, or several as a tuple."""
    if not isinstance(outputs, tuple | list):
        return outputs.cpu().numpy()  # type: ignore[no-any-return]
    arrays = tuple(output.cpu().numpy() for output in outputs)
    return arrays[0] if len(arrays) == 1 else arrays


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Writes a program to a file.

    Raises:
        OSError: The file cannot be written.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, str(path))


def load_program(path: Path) -> torch.export.ExportedProgram:
    """Returns the program in a file.

    Raises:
        Unmeasurable: It is damaged, or contains pickled objects, which could run any code.
    """
    import torch

    refuse_pickles(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.export.load(str(path))
        except Exception as error:  # torch, zipfile and json have no common class
            raise Unmeasurable(f"torch.export cannot load {path.name}: {error}") from error


def refuse_pickles(path: Path) -> None:
    """Refuses a program's file with pickles in it; the file is not loaded.

    Raises:
        Unmeasurable: It is damaged, or contains pickled objects, which could run any code.
    """
    try:
        _check_archive(path)
    except (Unmeasurable, FileNotFoundError):
        raise
    except Exception as error:  # torch, zipfile and json have no common class
        raise Unmeasurable(f"torch.export cannot load {path.name}: {error}") from error


def loading_code(expression: str, threads: int, several: bool = False) -> str:
    """Returns Python code that loads a torch file without Paretune.

    Args:
        expression: Python expression for the module in the file `path`.
        threads: Threads of one inference; 0 for all cores.
        several: The file has several inputs or outputs.
    """
    return f"""\
import torch


def load(path):
    torch.set_num_threads({threads or cores()})
    torch.set_flush_denormal(True)
    module = {expression}
{_RUN_SEVERAL if several else _RUN}
    return run
"""


_RUN = """\
    def run(inputs):
        with torch.inference_mode():  # with the strides of a new array: AOTInductor relies on them
            return module(torch.from_numpy(inputs.ravel().reshape(inputs.shape))).numpy()
"""

_RUN_SEVERAL = """\
    def run(*inputs):
        # With the strides of a new array: AOTInductor relies on them.
        tensors = [torch.from_numpy(x.ravel().reshape(x.shape)) for x in inputs]
        with torch.inference_mode():
            outputs = module(*tensors)
        if isinstance(outputs, torch.Tensor):
            return outputs.numpy()
        arrays = tuple(output.numpy() for output in outputs)
        return arrays[0] if len(arrays) == 1 else arrays
"""


def _check_archive(path: Path) -> None:
    """Raises if torch.export.load would unpickle weights, constants or examples of a file."""
    import torch

    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            pickled = False
            if "/data/" in name and name.endswith("_config.json"):
                entries = json.loads(archive.read(name))["config"].values()
                pickled = any(
                    entry["use_pickle"] or not entry["path_name"].startswith(("weight_", "tensor_"))
                    for entry in entries
                )
            elif name.endswith(".pt") and "/sample_inputs/" in name:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
            else:
                pickled = name.endswith((".pt", ".pkl"))
            if pickled:
                raise Unmeasurable(f"{path.name} holds pickled objects ({name}): not loaded")


class TorchSession:
    """Runs a torch module. It sets torch's thread count for the whole process.

    Args:
        module: Positional tensors [B, ...] -> a tensor, or a tuple of tensors, on `device`.
        threads: Threads of one inference; 0 for all cores.
        device: "cpu", "cuda" or "mps". On cuda, `timed(*inputs)` times a run with events.
        graph: On cuda, time a replayed graph of the kernels.
    """

    def __init__(self, module: Any, threads: int, device: str = "cpu", graph: bool = False) -> None:
        import torch

        torch.set_num_threads(threads or cores())
        torch.set_flush_denormal(True)
        self._module = module
        self._device = device
        if device == "cuda":
            self._timer = EventTimer(module, graph)
            self.timed = self._timed

    def _timed(self, *inputs: np.ndarray) -> float:
        import torch

        return self._timer(*(torch.from_numpy(x).to(self._device) for x in inputs))

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        """Returns the outputs on the host, so a GPU has finished its work by then."""
        import torch

        with torch.inference_mode():
            # The copy has the strides of a new array. An image of one channel may also have those
            # of channels-last, for which AOTInductor (torch 2.15) silently returns wrong values.
            values = [torch.from_numpy(x.ravel().reshape(x.shape)) for x in inputs]
            return arrays_of(self._module(*(x.to(self._device) for x in values)))
