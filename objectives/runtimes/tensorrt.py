"""The runtime `tensorrt`: NVIDIA's. The artifact is an engine, built from an ONNX file for one GPU.

It follows NVIDIA's documentation (https://docs.nvidia.com/deeplearning/tensorrt/latest/), for
TensorRT 10 and newer. torch allocates the memory on the GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape, signature_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import (
    OUTPUTS,
    Artifact,
    Outputs,
    check_mode,
    refuse_dynamic_axes,
)
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[tensorrt]' on a machine with an NVIDIA GPU and its driver"

LARGEST = 256
"""Largest batch of an engine: its kernels take 1 to this many inputs. Larger ones run in parts."""


class TensorRt:
    """TensorRT engine (.engine): float32, for the model of NVIDIA GPU that built it.

    There is no quantization yet: TensorRT needs symmetric Q/DQ pairs, which ONNX Runtime's
    quantizer does not place by default. `onnxruntime` with `provider: tensorrt` runs float32 too.
    """

    name = "tensorrt"
    suffix = ".engine"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "tensorrt"
    needs = INSTALL
    packages: tuple[str, ...] = ("tensorrt", "torch")

    class Params(Params):
        """Options of tensorrt."""

        device: int = Field(0, ge=0, le=1023, description="number of the GPU")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Builds the engine; the batch dimension is dynamic, up to LARGEST.

        Raises:
            Unmeasurable: The model cannot be exported or built, or there is no GPU.
            OSError: The file cannot be written.
        """
        check_mode(TensorRt, quantization)
        refuse_dynamic_axes(TensorRt, shape)

        def write(draft: Path) -> dict[str, Any]:
            plain = draft.with_name("float.onnx")
            info = OnnxRuntime.export(model, shape, plain).info
            _check_here()
            draft.write_bytes(_engine(plain, shape))
            form = {OUTPUTS: info[OUTPUTS]} if OUTPUTS in info else {}
            return {"largest_batch": LARGEST, **form}

        return write_artifact(path, TensorRt.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session on the GPU; `threads` has no effect.

        Raises:
            Unmeasurable: The file is damaged or for another GPU, or there is no GPU.
        """
        return _Session(path, options.device)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
import pathlib

import tensorrt
import torch


def load(path):
    device = torch.device("cuda", {options.device})
    with torch.cuda.device(device):
        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        engine = runtime.deserialize_cuda_engine(pathlib.Path(path).read_bytes())
    context = engine.create_execution_context()
{_RUN_SEVERAL if several else _RUN}"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        if not find_spec("tensorrt"):
            return f"tensorrt is not installed; {INSTALL}"
        if not (Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists()):
            return "no NVIDIA GPU here"
        return None


_RUN = f"""\
    source, target = (engine.get_tensor_name(i) for i in range(2))

    def part(inputs):
        values = torch.from_numpy(inputs).to(device)
        context.set_input_shape(source, tuple(values.shape))
        logits = torch.empty(tuple(context.get_tensor_shape(target)), device=device)
        context.set_tensor_address(source, values.data_ptr())
        context.set_tensor_address(target, logits.data_ptr())
        context.execute_async_v3(torch.cuda.current_stream(device).cuda_stream)
        return logits.cpu().numpy()

    return lambda inputs: np.concatenate(
        [part(inputs[i : i + {LARGEST}]) for i in range(0, len(inputs), {LARGEST})]
    )
"""

_RUN_SEVERAL = f"""\
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    is_input = {{n: engine.get_tensor_mode(n) == tensorrt.TensorIOMode.INPUT for n in names}}
    sources = [name for name in names if is_input[name]]
    targets = [name for name in names if not is_input[name]]

    def part(*inputs):
        values = dict(zip(sources, (torch.from_numpy(x).to(device) for x in inputs)))
        for name, value in values.items():
            context.set_input_shape(name, tuple(value.shape))
        for name in targets:
            kind = torch.from_numpy(np.empty(0, tensorrt.nptype(engine.get_tensor_dtype(name))))
            shape = tuple(context.get_tensor_shape(name))
            values[name] = torch.empty(shape, dtype=kind.dtype, device=device)
        for name, value in values.items():
            context.set_tensor_address(name, value.data_ptr())
        context.execute_async_v3(torch.cuda.current_stream(device).cuda_stream)
        return [values[name].cpu().numpy() for name in targets]

    def run(*inputs):
        starts = range(0, len(inputs[0]), {LARGEST})
        rows = [part(*(x[i : i + {LARGEST}] for x in inputs)) for i in starts]
        arrays = tuple(map(np.concatenate, zip(*rows)))
        return arrays[0] if len(arrays) == 1 else arrays

    return run
"""


def _check_here() -> None:
    reason = TensorRt.unavailable()
    if reason:
        raise Unmeasurable(reason)


def _engine(plain: Path, shape: Shape) -> bytes:
    """Returns the serialized engine of an ONNX file, float32 throughout (TF32 is off)."""
    import tensorrt as trt

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(plain.read_bytes()):
        raise Unmeasurable(f"TensorRT cannot read the network: {parser.get_error(0)}")
    profile = builder.create_optimization_profile()
    for index, each in enumerate(signature_of(shape).inputs):
        smallest, largest = (1, *each.shape), (LARGEST, *each.shape)
        profile.set_shape(network.get_input(index).name, smallest, smallest, largest)
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise Unmeasurable("TensorRT cannot build an engine for the network")
    return bytes(engine)


class _Session:
    def __init__(self, path: Path, device: int) -> None:
        _check_here()
        import tensorrt as trt
        import torch

        self._device = torch.device("cuda", device)
        with torch.cuda.device(self._device):
            runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
            self._engine = runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise Unmeasurable(f"TensorRT cannot load {path.name}: damaged, or for another GPU")
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        modes = {name: self._engine.get_tensor_mode(name) for name in names}
        self._inputs = [name for name in names if modes[name] == trt.TensorIOMode.INPUT]
        self._outputs = {
            name: _torch_type(trt.nptype(self._engine.get_tensor_dtype(name)))
            for name in names
            if modes[name] == trt.TensorIOMode.OUTPUT
        }
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        import numpy as np

        starts = range(0, len(inputs[0]), LARGEST)
        parts = [self._run([each[i : i + LARGEST] for each in inputs]) for i in starts]
        joined = tuple(map(np.concatenate, zip(*parts, strict=True)))
        return joined[0] if len(joined) == 1 else joined

    def _run(self, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
        import torch

        with torch.cuda.stream(self._stream):
            values = [torch.from_numpy(each).to(self._device) for each in inputs]
            for name, value in zip(self._inputs, values, strict=True):
                self._context.set_input_shape(name, tuple(value.shape))
                self._context.set_tensor_address(name, value.data_ptr())
            outputs = {}
            for name, kind in self._outputs.items():
                shape = tuple(self._context.get_tensor_shape(name))
                outputs[name] = torch.empty(shape, dtype=kind, device=self._device)
                self._context.set_tensor_address(name, outputs[name].data_ptr())
            self._context.execute_async_v3(self._stream.cuda_stream)
            self._stream.synchronize()
        return tuple(output.cpu().numpy() for output in outputs.values())


def _torch_type(numpy_type: Any) -> torch.dtype:
    import numpy as np
    import torch

    return torch.from_numpy(np.empty(0, numpy_type)).dtype
