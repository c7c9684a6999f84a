"""The runtime `executorch`: PyTorch for phones and small devices, with XNNPACK's CPU kernels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import (
    Artifact,
    Compute,
    Outputs,
    check_mode,
    refuse_dynamic_axes,
)
from paretune.objectives.runtimes.calibration_inputs import flat_batches
from paretune.objectives.runtimes.torch_programs import export_program, program_outputs

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[executorch]'"

LARGEST = 32
"""Largest batch of a file, which plans memory for it. Larger batches run in parts."""


class ExecuTorch:
    """ExecuTorch (.pte): float32 and static int8 with XNNPACK's kernels, for phones and devices.

    Quantization uses XNNPACK's own quantizer in torch's PT2E (prepare, calibrate, convert). Weights
    are int8, per channel or not. Activations are int8; the quantizer's histogram observer sets
    their ranges (the option `calibration` chooses a method of ONNX Runtime and has no effect here).
    Dynamic int8 is missing, because networks with convolutions cannot be lowered with it (1.5:
    "Missing out variants"). Operators that XNNPACK lacks run in slow portable kernels; the
    artifact's info names them.
    """

    name = "executorch"
    suffix = ".pte"
    quantizations: tuple[str, ...] = ("static",)
    dynamic_batch = True
    library = "executorch.runtime"
    needs = INSTALL
    packages: tuple[str, ...] = ("executorch", "torch")

    class Params(Params):
        """Options of executorch."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Lowers the model to XNNPACK; the batch dimension is dynamic, up to LARGEST.

        Raises:
            Unmeasurable: The model cannot be exported, quantized or lowered, with the reason.
            OSError: The file cannot be written.
        """
        check_mode(ExecuTorch, quantization)
        _check_here()
        refuse_dynamic_axes(ExecuTorch, shape)

        def write(draft: Path) -> dict[str, Any]:
            # ExecuTorch plans memory for the batch of the example, not for the largest batch.
            network = export_program(model, shape, LARGEST, LARGEST)
            program = network.program
            with _quiet():
                if quantization:
                    program = _quantized(program, shape, quantization, calibration)
                content, portable = _lowered(program)
            draft.write_bytes(content)
            return {
                "quantization": dict(quantization or {}),
                "largest_batch": LARGEST,
                "not_by_xnnpack": portable,
                **network.info,
            }

        return write_artifact(path, ExecuTorch.name, write)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> Compute:
        """Does the first part of `export`; returns what torch.export's program computes.

        The rest takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        _check_here()
        refuse_dynamic_axes(ExecuTorch, shape)
        return program_outputs(export_program(model, shape, LARGEST, LARGEST).program)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session. It sets the threads of ExecuTorch's pool for the whole process.

        Raises:
            Unmeasurable: The file is damaged, or ExecuTorch is not here.
        """
        return _Session(path, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
import torch
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
from executorch.runtime import Runtime


def load(path):
    _unsafe_reset_threadpool({options.threads or cores()})
    program = Runtime.get().load_program(path)
    method = program.load_method("forward")

{_RUN_SEVERAL if several else _RUN}
    return run
"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None if find_spec("executorch") else f"executorch is not installed; {INSTALL}"


_RUN = f"""\
    def run(inputs):  # at most {LARGEST} at a time: the file plans memory for that many
        parts = [inputs[i : i + {LARGEST}] for i in range(0, len(inputs), {LARGEST})]
        rows = [method.execute([torch.from_numpy(part)])[0].numpy().copy() for part in parts]
        return np.concatenate(rows)
"""

_RUN_SEVERAL = f"""\
    def run(*inputs):  # at most {LARGEST} at a time: the file plans memory for that many
        rows = []
        for i in range(0, len(inputs[0]), {LARGEST}):
            tensors = [torch.from_numpy(x[i : i + {LARGEST}]) for x in inputs]
            rows.append([output.numpy().copy() for output in method.execute(tensors)])
        arrays = tuple(map(np.concatenate, zip(*rows)))
        return arrays[0] if len(arrays) == 1 else arrays
"""


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        _check_here()
        import torch

        with _quiet():
            from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
            from executorch.runtime import Runtime
        torch.set_flush_denormal(True)
        _unsafe_reset_threadpool(threads or cores())
        try:
            # From a copy in memory: replacing a file while it is mapped would crash the process.
            self._program = Runtime.get().load_program(path.read_bytes())
            self._method = self._program.load_method("forward")
        except (RuntimeError, ValueError) as error:
            raise Unmeasurable(f"ExecuTorch cannot load {path.name}: {error}") from error

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        import numpy as np

        starts = range(0, len(inputs[0]), LARGEST)
        parts = [self._run([each[i : i + LARGEST] for each in inputs]) for i in starts]
        joined = tuple(map(np.concatenate, zip(*parts, strict=True)))
        return joined[0] if len(joined) == 1 else joined

    def _run(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        import torch

        outputs = self._method.execute([torch.from_numpy(each) for each in inputs])
        return tuple(output.numpy().copy() for output in outputs)  # the memory is reused


def _check_here() -> None:
    reason = ExecuTorch.unavailable()
    if reason:
        raise Unmeasurable(reason)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences warnings and log lines from the internals of ExecuTorch and torchao."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _quantized(
    program: torch.export.ExportedProgram,
    shape: Shape,
    quantization: Mapping[str, Any],
    calibration: Iterator[Nest] | None,
) -> torch.export.ExportedProgram:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    batches = [tuple(map(torch.from_numpy, batch)) for batch in flat_batches(shape, calibration)]
    if not batches:
        raise Unmeasurable("static quantization needs calibration inputs")
    module = program.module()
    _check_finite(module)
    per_channel = quantization["static"]["per_channel"]
    config = get_symmetric_quantization_config(is_per_channel=per_channel)
    try:
        prepared = prepare_pt2e(module, XNNPACKQuantizer().set_global(config))
        with torch.no_grad():
            for batch in batches:
                for i in range(0, len(batch[0]), LARGEST):
                    prepared(*(each[i : i + LARGEST] for each in batch))
        examples, _ = program.example_inputs or ((), {})
        axes = tuple({0: torch.export.Dim("batch", min=1, max=LARGEST)} for _ in examples)
        return torch.export.export(convert_pt2e(prepared), examples, dynamic_shapes=axes)
    except Exception as error:  # quantizer and converter raise many kinds of exceptions
        raise Unmeasurable(
            f"static quantization failed: {type(error).__name__}: {error}"
        ) from error


def _check_finite(module: Any) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise Unmeasurable(f"{name} is not finite: it cannot be quantized")


def _lowered(program: torch.export.ExportedProgram) -> tuple[bytes, list[str]]:
    """Returns the file's content, and the operators that XNNPACK lacks."""
    try:
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        names = {
            str(node.target).removeprefix("<EdgeOpOverload: ").split(">")[0]
            for node in edge.exported_program().graph.nodes
            if node.op == "call_function"
        }
        portable = sorted(n for n in names if "executorch_call_delegate" not in n and "." in n)
        return bytes(edge.to_executorch().buffer), portable
    except Exception as error:  # lowering raises many kinds of exceptions
        raise Unmeasurable(
            f"ExecuTorch cannot lower the network: {type(error).__name__}: {error}"
        ) from error
