"""ONNX Runtime: the artifact is an .onnx file, quantized by ONNX Runtime's own quantizer.

The quantizer places Q/DQ pairs where the runtime fuses them; a graph quantized elsewhere leaves
convolutions in float and can be slower than the float network.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from objectives.base import Unmeasurable
from objectives.inputs import Shape, example
from objectives.params import Params
from objectives.runtimes.attention_scores import masked_scores
from objectives.runtimes.base import Artifact
from objectives.runtimes.files import written
from objectives.runtimes.identities import drop_weight_copies

if TYPE_CHECKING:
    import numpy as np
    import torch

OPSET = 17
"""Has every operator that the exporter writes for these networks, and QDQ per channel (13)."""

INPUT, OUTPUT = "input", "logits"

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "directml": "DmlExecutionProvider",
}


class OnnxRuntime:
    """ONNX Runtime (.onnx): float32, dynamic and static int8."""

    name = "onnxruntime"
    dynamic_batch = True
    needs = "nothing more; another provider than cpu needs its own build of onnxruntime"
    suffix = ".onnx"
    quantizations = ("dynamic", "static")

    class Params(Params):
        """Options of onnxruntime."""

        provider: str = Field("cpu", description="execution provider: cpu, cuda, openvino, ...")
        threads: int = Field(1, ge=0, le=1024, description="of one inference; 0: all cores")

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

        def write(draft: Path) -> dict[str, Any]:
            plain = draft.with_name("float.onnx")
            _export_float(model, shape, plain)
            if quantization is None:
                plain.rename(draft)
            else:
                _quantize(plain, draft, quantization, calibration)
            return {"opset": OPSET, "quantization": dict(quantization or {})}

        return written(path, OnnxRuntime.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """A session; denormals are flushed, and idle threads sleep instead of spinning."""
        return _Session(path, options, options.threads if threads is None else threads)

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot be used here, or None."""
        return None if find_spec("onnxruntime") else "onnxruntime is not installed"


class _Session:
    def __init__(self, path: Path, options: Any, threads: int) -> None:
        import onnxruntime as ort

        settings = ort.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.set_denormal_as_zero", "1")
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path), settings, providers=[_provider(options.provider)]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
            if isinstance(error, Unmeasurable):
                raise
            raise Unmeasurable(f"ONNX Runtime cannot load {path.name}: {error}") from error

    def __call__(self, images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = self._session.run([OUTPUT], {INPUT: images})[0]
        return logits


def _provider(name: str) -> str:
    import onnxruntime as ort

    full = PROVIDERS.get(name.lower(), name)
    available = ort.get_available_providers()
    if full not in available:
        short = [k for k, v in PROVIDERS.items() if v in available]
        raise Unmeasurable(
            f'ONNX Runtime has no execution provider "{name}" here; it has: {", ".join(short)}'
        )
    return full


def _export_float(model: torch.nn.Module, shape: Shape, path: Path) -> None:
    import torch

    # The TorchScript-based exporter takes about a second a network, the dynamo one 4 to 14, and a
    # search exports every candidate. It is deprecated but there; its warnings are not the user's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                model.eval(),
                (example(shape),),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
            )
        except OSError:
            raise
        except Exception as error:  # the exporter raises whatever the model's code raises
            raise Unmeasurable(
                f"the network cannot be exported to ONNX: {type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else ''}"
            ) from error
    drop_weight_copies(path)


def _quantize(
    plain: Path,
    draft: Path,
    quantization: Mapping[str, Any],
    calibration: Iterator[np.ndarray] | None,
) -> None:
    [(mode, options)] = quantization.items()
    _check_finite(plain)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantizer logs its advice through the root logger
    try:
        if mode == "dynamic":
            _dynamic(plain, draft, options)
        elif mode == "static":
            if calibration is None:
                raise Unmeasurable("static quantization needs calibration images")
            _static(plain, draft, options, calibration)
        else:
            raise Unmeasurable(f'ONNX Runtime has no quantization mode "{mode}"')
    except (Unmeasurable, OSError):
        raise
    except Exception as error:  # the quantizer raises AssertionError, ValueError, KeyError, ...
        raise Unmeasurable(
            f"{mode} quantization failed: {type(error).__name__}: {error}"
        ) from error
    finally:
        root.setLevel(level)


def _dynamic(plain: Path, draft: Path, options: Mapping[str, Any]) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # uint8 weights: ConvInteger with int8 weights is several times slower on x86.
    quantize_dynamic(
        str(plain), str(draft), weight_type=QuantType.QUInt8, per_channel=options["per_channel"]
    )


def _static(
    plain: Path, draft: Path, options: Mapping[str, Any], calibration: Iterator[np.ndarray]
) -> None:
    import onnx
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    prepared = plain.with_name("prepared.onnx")
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    with contextlib.redirect_stdout(io.StringIO()):  # the histogram calibrators print
        quantize_static(
            str(prepared),
            str(draft),
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            per_channel=options["per_channel"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=masked_scores(onnx.load(str(prepared)).graph),
            calibrate_method=methods[options["calibration"]],
        )


class _Reader:
    """Calibration images as the quantizer wants them: one at a time.

    The histogram calibrators refuse batches of different sizes, and a last batch is often smaller.
    """

    def __init__(self, images: Iterator[np.ndarray]) -> None:
        self._images = (batch[i : i + 1] for batch in images for i in range(len(batch)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._images, None)
        return None if batch is None else {INPUT: batch}

    def set_range(self, *_: Any) -> None:
        """Asked for by newer quantizers that split the calibration; ours comes in one go."""


def _check_finite(path: Path) -> None:
    import numpy as np
    import onnx
    from onnx import numpy_helper

    for tensor in onnx.load(str(path)).graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise Unmeasurable(f"{tensor.name} is not finite: it cannot be quantized")
