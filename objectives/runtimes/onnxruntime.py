"""The runtime `onnxruntime`: exports and runs .onnx files; `onnx_quantization` quantizes them."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import INPUT, Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, Outputs
from paretune.objectives.runtimes.calibration_inputs import named_batches
from paretune.objectives.runtimes.onnx_names import restore_names
from paretune.objectives.runtimes.onnx_portability import operator_counts
from paretune.objectives.runtimes.onnx_providers import (
    PROVIDERS,
    check_used,
    provider_name,
    provider_options,
)
from paretune.objectives.runtimes.onnx_quantization import MODES
from paretune.objectives.runtimes.onnx_quantization.placement import placement
from paretune.objectives.runtimes.onnx_quantization.quantizer import quantize
from paretune.objectives.runtimes.onnx_quantization.scopes import qualified_scopes
from paretune.objectives.runtimes.weight_copies import drop_weight_copies

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest
    from paretune.objectives.runtimes.flat_module import FlatNetwork

OPSET = 17
"""It has every operator that the exporter writes for these networks, and QDQ per channel (13)."""

OUTPUT = "logits"
"""Name of a single output."""


class OnnxRuntime:
    """ONNX Runtime (.onnx): float32, int8, weight-only int4 and int8, 16-bit files."""

    name = "onnxruntime"
    keeps_float = True
    dynamic_batch = True
    library = "onnxruntime"
    needs = "nothing more; a provider other than cpu needs its own build of onnxruntime"
    packages: tuple[str, ...] = ("onnxruntime",)
    suffix = ".onnx"
    quantizations = MODES

    class Params(Params):
        """Options of onnxruntime."""

        provider: str = Field("cpu", description="execution provider: cpu, cuda, openvino, ...")
        threads: Threads = 1

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

        def write(draft: Path) -> dict[str, Any]:
            plain = draft.with_name("float.onnx")
            options = dict(ChainMap(*(quantization or {}).values()))
            network = _export_float(model, shape, plain, options)
            info: dict[str, Any] = {
                "opset": OPSET,
                "quantization": dict(quantization or {}),
                **network.info,
            }
            if quantization is None:
                plain.rename(draft)
            else:
                batches = named_batches(shape, calibration)
                info |= quantize(plain, draft, quantization, batches)
            return info | {"operators": operator_counts(draft)}

        return write_artifact(path, OnnxRuntime.name, write)

    @staticmethod
    def placement(
        model: torch.nn.Module, shape: Shape, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns which activations static int8 rounds in a network; QAT simulates these.

        Args:
            model: A network that fake-quantizes every activation, the n-th with scale n = 1, 2, ...
            shape: What it takes.
            options: Options of the quantization: per_channel, kept, ...

        Returns:
            {"groups": [[n, ...] that share a range, ...], "hidden": [names of other tensors]}

        Raises:
            Unmeasurable: The model cannot be exported or quantized.
        """
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "float.onnx"
            _export_float(model, shape, plain, options)
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
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        full = PROVIDERS.get(options.provider.lower(), (options.provider, ""))[0]
        return f"""\
import onnxruntime


def load(path):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = {options.threads}
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, settings, providers={json.dumps([full])})
{_RUN_SEVERAL if several else _RUN}"""

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


_RUN = f"""\
    return lambda inputs: session.run(["{OUTPUT}"], {{"{INPUT}": inputs}})[0]
"""

_RUN_SEVERAL = """\
    names = [each.name for each in session.get_inputs()]

    def run(*inputs):
        outputs = session.run(None, dict(zip(names, inputs, strict=True)))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    return run
"""


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
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        outputs = self._session.run(self._outputs, dict(zip(self._inputs, inputs, strict=True)))
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


def _export_float(
    model: torch.nn.Module, shape: Shape, path: Path, options: Mapping[str, Any]
) -> FlatNetwork:
    import torch

    from paretune.objectives.runtimes.flat_module import flat_network

    # The TorchScript-based exporter takes about 1 s per network, the dynamo exporter 4 to 14 s, and
    # a search exports every candidate. It is deprecated, so its warnings are silenced.
    scopes = qualified_scopes(model) if options.get("keep") else nullcontext()
    with warnings.catch_warnings(), scopes:
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            network = flat_network(model, shape)
            names = list(network.signature.names)
            axes = (*network.input_axes, *network.axes)
            torch.onnx.export(
                network.module,
                network.examples,
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=list(network.outputs),
                dynamic_axes=dict(zip((*names, *network.outputs), axes, strict=True)),
            )
        except (OSError, Unmeasurable):
            raise
        except Exception as error:  # the exporter passes on any exception of the model's code
            raise Unmeasurable(
                f"the network cannot be exported to ONNX: {type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else ''}"
            ) from error
    if network.is_wrapped:
        restore_names(path, network.signature.inputs)
    drop_weight_copies(path)
    return network
