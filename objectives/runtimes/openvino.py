"""The runtime `openvino`: Intel's, for its CPUs, GPUs and NPUs. It reads ONNX files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.base import Artifact, Outputs, check_mode
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[openvino]'"


class OpenVino:
    """OpenVINO (.onnx): float32, static and QAT int8, 16-bit files; for Intel CPU, GPU and NPU.

    OpenVINO reads the ONNX file without conversion. ONNX Runtime's quantizer places the Q/DQ pairs
    of static int8, and OpenVINO turns them into its own int8 kernels. Every convolution and linear
    layer of the CNNs and ResNets tested ran in 8 bits; ResNet-20 at 32x32 took 0.6 of its float
    time. The same holds for int8 from quantization-aware training. NNCF, OpenVINO's quantizer, is
    not needed. float16 halves the file; `precision` sets what it computes in. Dynamic int8 is
    refused, because OpenVINO would run it in float, two times slower than the float network.
    """

    name = "openvino"
    suffix = ".onnx"
    quantizations: tuple[str, ...] = ("static", "qat", "float16")
    keeps_float = True
    dynamic_batch = True
    library = "openvino"
    needs = INSTALL
    packages: tuple[str, ...] = ("openvino",)

    class Params(Params):
        """Options of openvino."""

        device: str = Field("CPU", description="CPU, GPU, NPU, AUTO, or another OpenVINO device")
        threads: Threads = 1
        precision: Literal["f32", "f16", "bf16"] = Field(
            "f32", description="of float operators; f16 and bf16 for devices that run them faster"
        )

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Writes the .onnx file; the batch and the declared axes are dynamic.

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
        """Returns a session compiled for the device; denormals are flushed.

        Raises:
            Unmeasurable: The file is damaged, or OpenVINO or the device is not available.
        """
        return _Session(path, options, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
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
{_RUN_SEVERAL if several else _RUN}"""

    stamp = staticmethod(OnnxRuntime.stamp)

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None if find_spec("openvino") else f"openvino is not installed; {INSTALL}"


_RUN = """\
    return lambda inputs: model(inputs)[0]
"""

_RUN_SEVERAL = """\
    def run(*inputs):
        outputs = model(list(inputs))
        arrays = tuple(outputs[i] for i in range(len(outputs)))
        return arrays[0] if len(arrays) == 1 else arrays

    return run
"""


def request(path: Path, options: Any, threads: int, profiling: bool = False) -> Any:
    """Returns OpenVINO's own infer request on a file.

    Raises:
        Unmeasurable: The file is damaged, or OpenVINO or the device is not available.
    """
    reason = OpenVino.unavailable()
    if reason:
        raise Unmeasurable(reason)
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
    except Exception as error:  # a RuntimeError for every cause
        raise Unmeasurable(f"OpenVINO cannot load {path.name}: {error}") from error
    return compiled.create_infer_request()


class _Session:
    def __init__(self, path: Path, options: Any, threads: int) -> None:
        self._request = request(path, options, threads)

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        # The results are in the request's buffers, which the next call overwrites.
        results = self._request.infer(dict(enumerate(inputs)), share_inputs=True)
        arrays = tuple(results[index].copy() for index in range(len(results)))
        return arrays[0] if len(arrays) == 1 else arrays


def _check_device(core: Any, device: str) -> None:
    devices = [*core.available_devices, "AUTO"]
    kinds = {name.partition(".")[0] for name in devices}
    if device.partition(".")[0].partition(":")[0] not in kinds:
        raise Unmeasurable(f'OpenVINO has no device "{device}" here; it has: {", ".join(devices)}')
