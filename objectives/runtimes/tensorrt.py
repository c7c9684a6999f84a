"""The runtime `tensorrt`: NVIDIA's. The artifact is an engine, built from an ONNX file for one GPU.

It follows NVIDIA's documentation (https://docs.nvidia.com/deeplearning/tensorrt/latest/), for
TensorRT 10 and newer. torch allocates the memory on the GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape, signature_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, check_mode
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

if TYPE_CHECKING:
    import numpy as np
    import torch

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
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Builds the engine; the batch dimension is dynamic, up to LARGEST.

        Raises:
            Unmeasurable: The model cannot be exported or built, or there is no GPU.
            OSError: The file cannot be written.
        """
        check_mode(TensorRt, quantization)

        def write(draft: Path) -> dict[str, Any]:
            plain = draft.with_name("float.onnx")
            OnnxRuntime.export(model, shape, plain)
            _check_here()
            draft.write_bytes(_engine(plain, shape))
            return {"largest_batch": LARGEST}

        return write_artifact(path, TensorRt.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session on the GPU; `threads` has no effect.

        Raises:
            Unmeasurable: The file is damaged or for another GPU, or there is no GPU.
        """
        return _Session(path, options.device)

    @staticmethod
    def standalone(options: Any) -> str:
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

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        if not find_spec("tensorrt"):
            return f"tensorrt is not installed; {INSTALL}"
        if not (Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists()):
            return "no NVIDIA GPU here"
        return None


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
    input_shape = signature_of(shape).inputs[0].shape
    profile = builder.create_optimization_profile()
    profile.set_shape(
        network.get_input(0).name, (1, *input_shape), (1, *input_shape), (LARGEST, *input_shape)
    )
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
        self._input, self._output = (self._engine.get_tensor_name(i) for i in range(2))
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        import numpy as np

        parts = [self._run(inputs[i : i + LARGEST]) for i in range(0, len(inputs), LARGEST)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _run(self, inputs: np.ndarray) -> np.ndarray:
        import torch

        with torch.cuda.stream(self._stream):
            values = torch.from_numpy(inputs).to(self._device)
            self._context.set_input_shape(self._input, tuple(values.shape))
            logits = torch.empty(
                tuple(self._context.get_tensor_shape(self._output)), device=self._device
            )
            self._context.set_tensor_address(self._input, values.data_ptr())
            self._context.set_tensor_address(self._output, logits.data_ptr())
            self._context.execute_async_v3(self._stream.cuda_stream)
            self._stream.synchronize()
        return logits.cpu().numpy()
