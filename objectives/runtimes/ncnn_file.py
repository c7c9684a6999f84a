"""The file of the runtime `ncnn`: a .zip of the two files that ncnn reads and their layout.

It is not compressed, so its size is that of the two files. Unpack it to use them elsewhere.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer, layers_text
from paretune.objectives.runtimes.ncnn_integers import NcnnInput

PARAM, BIN, LAYOUT = "model.ncnn.param", "model.ncnn.bin", "layout.json"
"""Names of the files in the archive."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of each file, so that equal networks have equal archives."""


@dataclass(frozen=True)
class NcnnLayout:
    """What a session needs to know beside ncnn's own files.

    Attributes:
        inputs: What it feeds.
        outputs: Shape of each output of one example; the blobs are out0, out1, ...
        float16: Whether floats are stored and computed in 16 bits, where the processor can.
        weight_bytes: Size of the .bin file. ncnn reads beyond the end of a shorter one.
    """

    inputs: Sequence[NcnnInput]
    outputs: Sequence[Sequence[int]]
    float16: bool
    weight_bytes: int


def write_ncnn(path: Path, layers: Sequence[NcnnLayer], weights: bytes, layout: NcnnLayout) -> None:
    """Writes the archive."""
    parts = {
        PARAM: layers_text(layers).encode(),
        BIN: weights,
        LAYOUT: json.dumps(asdict(layout), indent=1).encode(),
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(zipfile.ZipInfo(name, EPOCH), content)


def read_layout(path: Path) -> NcnnLayout:
    """Returns the layout in an archive.

    Raises:
        Unmeasurable: It is no such archive.
    """
    try:
        with zipfile.ZipFile(path) as file:
            if set(file.namelist()) != {PARAM, BIN, LAYOUT}:
                raise ValueError(f"it has the files {', '.join(file.namelist())}")
            layout = _layout(json.loads(file.read(LAYOUT)))
            size = file.getinfo(BIN).file_size
            if size != layout.weight_bytes:
                raise ValueError(f"{BIN} has {size} bytes, not {layout.weight_bytes}")
            return layout
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
        raise Unmeasurable(f"ncnn cannot load {path.name}: {error}") from error


def _layout(values: Any) -> NcnnLayout:
    return NcnnLayout(
        [NcnnInput(**each) for each in values["inputs"]],
        [tuple(map(int, shape)) for shape in values["outputs"]],
        bool(values["float16"]),
        int(values["weight_bytes"]),
    )


def load_net(path: Path, layout: NcnnLayout, threads: int) -> Any:
    """Returns an ncnn.Net that is ready to run.

    Raises:
        Unmeasurable: ncnn cannot load the file.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="paretune-ncnn-") as folder:
        try:
            with zipfile.ZipFile(path) as file:
                param, weights = file.read(PARAM).decode(), file.extract(BIN, folder)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise Unmeasurable(f"ncnn cannot load {path.name}: {error}") from error
        net = net_of(param, weights, threads, layout.float16)
    if net is None:
        raise Unmeasurable(f"ncnn cannot load {path.name}: a layer or its weights are damaged")
    return net


def net_of(param: str, weights: Any, threads: int, float16: bool = False) -> Any:
    """Returns an ncnn.Net, or None if ncnn refuses it.

    Args:
        param: Text of the .param file.
        weights: Path of the .bin file, or an ncnn.DataReader.
        threads: Threads of one inference.
        float16: Compute floats in 16 bits.
    """
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for name in FLOAT16:
        setattr(net.opt, name, float16)
    if net.load_param_mem(param) or net.load_model(weights):
        return None
    return net


FLOAT16 = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic")
"""Options of ncnn that let floats have 16 bits, on processors that compute with them."""
