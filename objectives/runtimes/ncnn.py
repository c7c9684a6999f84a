"""The runtime `ncnn`: Tencent's, for phones and Arm boards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, Outputs, check_mode, refuse_dynamic_axes
from paretune.objectives.runtimes.calibration_inputs import flat_examples
from paretune.objectives.runtimes.ncnn_conversion import NcnnNetwork, convert
from paretune.objectives.runtimes.ncnn_file import (
    FLOAT16,
    NcnnLayout,
    load_net,
    read_layout,
    write_ncnn,
)
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer
from paretune.objectives.runtimes.ncnn_running import blob_of, fed

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[ncnn]'"


class Ncnn:
    """ncnn (.ncnn.zip): float32, float16 and static int8 for Arm boards and phones; batch 1.

    The file holds `model.ncnn.param` and `model.ncnn.bin`, which ncnn reads, and their layout.
    pnnx, the converter of ncnn's authors, makes them.

    - float16: weights in 16 bits. An Arm processor with float16 arithmetic also computes with them;
      others compute in float32.
    - Static: the scheme of ncnn's own tools ncnn2table and ncnn2int8. Convolutions and linear
      layers have int8 weights, with a scale for each output channel, and symmetric activations.
      Weights of 3x3 convolutions with stride 1 have 6 bits, because ncnn computes these by
      Winograd's method in 16-bit sums. `calibration: entropy` is the method of ncnn2table. The
      options `reduce_range` and `symmetric` have no effect.

    ncnn has no axis for the batch. So a file takes one example, and a session runs the examples of
    a batch one by one.
    """

    name = "ncnn"
    suffix = ".ncnn.zip"
    quantizations: tuple[str, ...] = ("static", "float16")
    keeps_float = True
    dynamic_batch = False
    library = "ncnn"
    needs = INSTALL
    packages: tuple[str, ...] = ("ncnn",)

    class Params(Params):
        """Options of ncnn."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Converts the model for single inputs.

        Raises:
            Unmeasurable: The model cannot be exported, converted or quantized, with the reason.
            OSError: The file cannot be written.
        """
        check_mode(Ncnn, quantization)
        _check_here()
        refuse_dynamic_axes(Ncnn, shape)
        half = "float16" in (quantization or {})
        options = dict((quantization or {}).get("static", {}))

        def write(draft: Path) -> dict[str, Any]:
            network = convert(model, shape, draft.parent, half)
            layers, weights = network.layers, network.weights
            info: dict[str, Any] = {}
            if options:
                layers, weights, info = _quantized(network, shape, options, calibration)
            layout = NcnnLayout(network.inputs, network.outputs, half, len(weights))
            write_ncnn(draft, layers, weights, layout)
            noted = {"quantization": dict(quantization or {}), "batch": 1}
            return {**noted, **network.info, **info}

        return write_artifact(path, Ncnn.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session; denormals are flushed.

        Raises:
            Unmeasurable: The file is damaged, or ncnn is not here.
        """
        _check_here()
        return _Session(path, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
import json
import tempfile
import zipfile

import ncnn


def load(path):
    net = ncnn.Net()
    net.opt.num_threads = {options.threads or cores()}
    with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory() as folder:
        layout = json.loads(file.read("layout.json"))
        for name in {list(FLOAT16)}:
            setattr(net.opt, name, layout["float16"])
        net.load_param_mem(file.read("model.ncnn.param").decode())
        if net.load_model(file.extract("model.ncnn.bin", folder)):
            raise ValueError("ncnn cannot load " + str(path))

    def one(arrays):
        extractor = net.create_extractor()
        for each in layout["inputs"]:
            values = np.ascontiguousarray(arrays[each["index"]], each["type"])
            extractor.input(each["blob"], ncnn.Mat(values).clone())
        outputs = []
        for index, shape in enumerate(layout["outputs"]):
            status, blob = extractor.extract("out" + str(index))
            if status:
                raise ValueError("ncnn cannot run the network on these inputs")
            outputs.append(np.array(blob).reshape(shape))
        return outputs

    def run(*inputs):
        rows = [one([array[i] for array in inputs]) for i in range(len(inputs[0]))]
        arrays = tuple(map(np.stack, zip(*rows)))
        return arrays[0] if len(arrays) == 1 else arrays

    return {"run" if several else "lambda inputs: run(inputs)"}
"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        missing = [name for name in ("ncnn", "pnnx") if not find_spec(name)]
        return f"{' and '.join(missing)} not installed; {INSTALL}" if missing else None


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        self._layout = read_layout(path)
        self._net = load_net(path, self._layout, threads or cores())

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        import numpy as np

        rows = [self._run([each[i] for each in inputs]) for i in range(len(inputs[0]))]
        outputs = tuple(np.stack(column) for column in zip(*rows, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    def _run(self, example: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one example."""
        extractor = fed(self._net, self._layout.inputs, example)
        blobs = [blob_of(extractor, f"out{index}") for index in range(len(self._layout.outputs))]
        return [
            blob.reshape(shape) for blob, shape in zip(blobs, self._layout.outputs, strict=True)
        ]


def _quantized(
    network: NcnnNetwork,
    shape: Shape,
    options: Mapping[str, Any],
    calibration: Iterator[Nest] | None,
) -> tuple[list[NcnnLayer], bytes, dict[str, Any]]:
    from paretune.objectives.runtimes.ncnn_int8 import quantize

    examples = [[array[0] for array in arrays] for arrays in flat_examples(shape, calibration)]
    if not examples:
        raise Unmeasurable("static quantization needs calibration inputs")
    return quantize(network, options, examples)


def _check_here() -> None:
    reason = Ncnn.unavailable()
    if reason:
        raise Unmeasurable(reason)
