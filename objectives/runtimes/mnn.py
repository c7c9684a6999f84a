"""The runtime `mnn`: Alibaba's, for phones and Arm boards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, check_mode
from paretune.objectives.runtimes.mnn_running import MnnSession

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[mnn]'"


class Mnn:
    """MNN (.mnn): float32, float16, dynamic int8 and few-bit weights, for phones and Arm boards.

    MNN's own converter makes the file from an ONNX file, in a process of its own.

    - float16: weights in 16 bits. An Arm processor with float16 arithmetic also computes with them;
      others compute in float32.
    - dynamic: convolutions and linear layers have int8 weights, with a scale for each output
      channel. MNN rounds activations to int8 as it computes. `per_channel` and `reduce_range` have
      no effect.
    - weight_only: the same with weights of 4 or 8 bits, with a scale for each block of inputs.

    There is no static int8. MNN's quantizer crashes on many operators, and its int8 forms of some
    compute wrongly (3.6.1).
    """

    name = "mnn"
    suffix = ".mnn"
    quantizations: tuple[str, ...] = ("dynamic", "weight_only", "float16")
    dynamic_batch = True
    library = "MNN"
    needs = INSTALL
    packages: tuple[str, ...] = ("MNN",)

    class Params(Params):
        """Options of MNN."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Writes the .mnn file; the batch and the declared axes are dynamic.

        Raises:
            Unmeasurable: The model cannot be exported, converted or quantized, with the reason.
            OSError: The file cannot be written.
        """
        check_mode(Mnn, quantization)
        _check_here()
        from paretune.objectives.runtimes.mnn_conversion import convert

        requested = dict(quantization or {})

        def write(draft: Path) -> dict[str, Any]:
            info = convert(model, shape, draft, requested)
            return {"quantization": requested, **info}

        return write_artifact(path, Mnn.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> MnnSession:
        """Returns a session.

        Raises:
            Unmeasurable: The file is damaged, or MNN is not here.
        """
        _check_here()
        count = options.threads if threads is None else threads
        return MnnSession(path, count or cores())

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
import json

import MNN
from MNN import expr


def load(path):
    notes = json.loads(MNN.nn.load_module_from_file(path, [], []).get_info()["bizCode"])
    settings = {{"backend": "CPU", "numThread": {options.threads or cores()}}}
    settings["precision"] = 2 if notes["float16"] else 1  # low, high
    settings["memory"] = 2 if notes["low_memory"] else 0  # low, normal
    manager = MNN.nn.create_runtime_manager((settings,))
    names = notes["inputs"], list(notes["outputs"])
    module = MNN.nn.load_module_from_file(path, *names, runtime_manager=manager)
    fed = {{"int64": "int32", "bool": "int32"}}
    types = {{"float32": expr.float, "int32": expr.int, "uint8": expr.uint8}}

    def run(*inputs):
        variables = []
        for array in inputs:
            kind = fed.get(str(array.dtype), str(array.dtype))
            values = np.ascontiguousarray(array, kind)
            variables.append(expr.const(values, list(values.shape), expr.NCHW, types[kind]))
        outputs = [expr.convert(x, expr.NCHW) for x in module.forward(variables)]
        # `read` returns memory of the output, which lives until the copy
        kinds = notes["outputs"].values()
        arrays = tuple(x.read().astype(kind) for x, kind in zip(outputs, kinds))
        return arrays[0] if len(arrays) == 1 else arrays

    return {"run" if several else "lambda inputs: run(inputs)"}
"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None if find_spec("MNN") else f"MNN is not installed; {INSTALL}"


def _check_here() -> None:
    reason = Mnn.unavailable()
    if reason:
        raise Unmeasurable(reason)
