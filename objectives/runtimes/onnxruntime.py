"""The runtime `onnxruntime`: exports and runs .onnx files; `onnx_quantization` quantizes them."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape, example
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact
from paretune.objectives.runtimes.onnx_providers import (
    PROVIDERS,
    check_used,
    provider_name,
    provider_options,
)
from paretune.objectives.runtimes.onnx_quantization import MODES
from paretune.objectives.runtimes.onnx_quantization.placement import placement
from paretune.objectives.runtimes.onnx_quantization.quantizer import quantize
from paretune.objectives.runtimes.weight_copies import drop_weight_copies

if TYPE_CHECKING:
    import numpy as np
    import torch

OPSET = 17
"""It has every operator that the exporter writes for these networks, and QDQ per channel (13)."""

INPUT, OUTPUT = "input", "logits"


class OnnxRuntime:
    """ONNX Runtime (.onnx): float32, int8, weight-only int4 and int8, 16-bit files."""

    name = "onnxruntime"
    dynamic_batch = True
    library = "onnxruntime"
    needs = "nothing more; a provider other than cpu needs its own build of onnxruntime"
    packages: tuple[str, ...] = ("onnxruntime",)
    suffix = ".onnx"
    quantizations = MODES

    class Params(Params):
        """Options of onnxruntime."""

        provider: str = Field("cpu", description="execution provider: cpu, cuda, openvino, ...")
        threads: int = Field(1, ge=0, le=1024, description="threads of one inference; 0: all cores")

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
            info: dict[str, Any] = {"opset": OPSET, "quantization": dict(quantization or {})}
            if quantization is None:
                plain.rename(draft)
            else:
                info |= quantize(plain, draft, quantization, calibration)
            return info

        return write_artifact(path, OnnxRuntime.name, write)

    @staticmethod
    def placement(
        model: torch.nn.Module, shape: Shape, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns which activations static int8 rounds in a network; QAT simulates these.

        Args:
            model: A network that fake-quantizes every activation, the n-th with scale n = 1, 2, ...
            shape: Shape of one input.
            options: Options of the quantization: per_channel, kept, ...

        Returns:
            {"groups": [[n, ...] that share a range, ...], "hidden": [names of other tensors]}

        Raises:
            Unmeasurable: The model cannot be exported or quantized.
        """
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "float.onnx"
            _export_float(model, shape, plain)
            return placement(plain, options)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session; denormals are flushed, and idle threads sleep instead of spinning."""
        return _Session(path, options, options.threads if threads is None else threads)

    @staticmethod
    def session(path: Path, options: Any, threads: int, settings: Any) -> Any:
        """Returns ONNX Runtime's own session on a file; `settings` are from `session_options`.

        Raises:
            Unmeasurable: The file cannot be loaded, or the provider is not available.
        """
        import onnxruntime as ort

        full = provider_name(options.provider)
        try:
            session = ort.InferenceSession(
                str(path), settings, providers=[(full, provider_options(full, threads))]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common class
            raise Unmeasurable(f"ONNX Runtime cannot load {path.name}: {error}") from error
        check_used(session, full)
        return session

    @staticmethod
    def standalone(options: Any) -> str:
        """Returns Python code that loads a file without Paretune."""
        full = PROVIDERS.get(options.provider.lower(), (options.provider, ""))[0]
        return f"""\
import onnxruntime


def load(path):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = {options.threads}
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, settings, providers={json.dumps([full])})
    return lambda inputs: session.run(["{OUTPUT}"], {{"{INPUT}": inputs}})[0]
"""

    @staticmethod
    def stamp(path: Path) -> dict[str, Any]:
        """Returns the operator sets that a file requires, by domain; nothing is run.

        Raises:
            Unmeasurable: It is not an ONNX file.
        """
        import onnx

        try:
            proto = onnx.load(str(path), load_external_data=False)
        except Exception as error:  # protobuf's exceptions depend on its build
            raise Unmeasurable(f"{path.name} is not an ONNX file: {error}") from error
        return {"opset": {each.domain or "ai.onnx": each.version for each in proto.opset_import}}

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None if find_spec("onnxruntime") else "onnxruntime is not installed"


def session_options(threads: int) -> Any:
    """Returns the settings of every session: denormals flushed, idle threads asleep, few logs."""
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


class _Session:
    def __init__(self, path: Path, options: Any, threads: int) -> None:
        self._session = OnnxRuntime.session(path, options, threads, session_options(threads))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = self._session.run([OUTPUT], {INPUT: images})[0]
        return logits


def _export_float(model: torch.nn.Module, shape: Shape, path: Path) -> None:
    import torch

    # The TorchScript-based exporter takes about 1 s per network, the dynamo exporter 4 to 14 s, and
    # a search exports every candidate. It is deprecated, so its warnings are silenced.
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
        except Exception as error:  # the exporter passes on any exception of the model's code
            raise Unmeasurable(
                f"the network cannot be exported to ONNX: {type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else ''}"
            ) from error
    drop_weight_copies(path)
