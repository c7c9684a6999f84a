"""OpenVINO: Intel's runtime for its CPUs, GPUs and NPUs. It reads ONNX files itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.inputs import Shape
from paretune.objectives.params import Params
from paretune.objectives.runtimes.base import Artifact, check_mode
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

if TYPE_CHECKING:
    import numpy as np
    import torch

INSTALL = "pip install 'paretune[openvino]'"


class OpenVino:
    """OpenVINO (.onnx): float32, int8 calibrated or trained in, 16-bit files; Intel CPU, GPU, NPU.

    The file is an ONNX file, which OpenVINO reads as it is. Quantization: static int8 is placed by
    ONNX Runtime's quantizer; OpenVINO turns its Q/DQ pairs into int8 kernels of its own (every
    convolution and linear layer of the CNNs and ResNets here ran in 8 bits; ResNet-20 at 32x32
    took 0.6 of its float time). So does int8 that was trained in. NNCF, its own quantizer, is not
    needed for that. float16 halves the file; what it computes in is `precision`. Dynamic int8 it
    would run in float, two times slower than the float network, so it is refused.
    """

    name = "openvino"
    suffix = ".onnx"
    quantizations: tuple[str, ...] = ("static", "qat", "float16")
    dynamic_batch = True
    library = "openvino"
    needs = INSTALL
    packages: tuple[str, ...] = ("openvino",)

    class Params(Params):
        """Options of openvino."""

        device: str = Field("CPU", description="CPU, GPU, NPU, AUTO, or another of its devices")
        threads: int = Field(1, ge=0, le=1024, description="of one inference; 0: all cores")
        precision: Literal["f32", "f16", "bf16"] = Field(
            "f32", description="of float operators; less than f32 only where the device is faster"
        )

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Writes the .onnx file; the batch dimension is dynamic.

        Raises:
            Unmeasurable: The model cannot be exported or quantized, with the reason.
            OSError: The file cannot be written.
        """
        check_mode(OpenVino, quantization)
        artifact = OnnxRuntime.export(model, shape, path, quantization, calibration)
        return replace(artifact, runtime=OpenVino.name)

    placement = staticmethod(OnnxRuntime.placement)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """A session, compiled for the device; denormals are flushed.

        Raises:
            Unmeasurable: The file is damaged, or OpenVINO or the device is not here.
        """
        return _Session(path, options, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any) -> str:
        """Python that loads a file without Paretune."""
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": options.precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if options.device == "CPU":
            settings |= {"INFERENCE_NUM_THREADS": options.threads or cores()}
        return f"""\
import openvino


def load(path):
    settings = {json.dumps(settings)}
    model = openvino.Core().compile_model(path, {json.dumps(options.device)}, settings)
    return lambda inputs: model(inputs)[0]
"""

    stamp = staticmethod(OnnxRuntime.stamp)

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot be used here, or None."""
        return None if find_spec("openvino") else f"openvino is not installed; {INSTALL}"


def request(path: Path, options: Any, threads: int, profiling: bool = False) -> Any:
    """OpenVINO's own infer request on a file.

    Raises:
        Unmeasurable: The file is damaged, or OpenVINO or the device is not here.
    """
    why = OpenVino.unavailable()
    if why:
        raise Unmeasurable(why)
    import openvino

    core = openvino.Core()
    _check_device(core, options.device)
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": options.precision,
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": profiling,
    }
    if options.device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = threads or cores()
        settings["CPU_DENORMALS_OPTIMIZATION"] = True
    try:
        compiled = core.compile_model(core.read_model(str(path)), options.device, settings)
    except Exception as error:  # RuntimeError for everything, without a class of its own
        raise Unmeasurable(f"OpenVINO cannot load {path.name}: {error}") from error
    return compiled.create_infer_request()


class _Session:
    def __init__(self, path: Path, options: Any, threads: int) -> None:
        self._request = request(path, options, threads)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        # The result is in a buffer of the request's, which the next call overwrites.
        logits: np.ndarray = self._request.infer({0: inputs}, share_inputs=True)[0].copy()
        return logits


def _check_device(core: Any, device: str) -> None:
    here = [*core.available_devices, "AUTO"]
    if device.partition(".")[0].partition(":")[0] not in {name.partition(".")[0] for name in here}:
        raise Unmeasurable(f'OpenVINO has no device "{device}" here; it has: {", ".join(here)}')
