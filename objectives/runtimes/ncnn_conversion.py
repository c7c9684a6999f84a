"""Converts networks to ncnn's form with pnnx, the converter of ncnn's authors."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer, read_layers
from paretune.objectives.runtimes.ncnn_integers import NcnnInput, without_integers
from paretune.objectives.runtimes.onnx_names import WRAPPED

if TYPE_CHECKING:
    import torch

    from paretune.objectives.runtimes.flat_module import FlatNetwork

TYPES = {
    "float32": "f32",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "u8",
    "bool": "bool",
}
"""Type of an input -> pnnx's name of it."""

LARGEST_RANK = 4
"""Most axes of an input apart from the batch."""


@dataclass(frozen=True)
class NcnnNetwork:
    """A network in ncnn's form, with weights in float32.

    Attributes:
        layers: Its layers.
        weights: The .bin file: the weights of all layers, one after the other.
        inputs: What a session feeds.
        outputs: Shape of each output of one example, without the batch.
        modules: SHA-256 of a weight -> names of the modules that have it.
        info: For `Artifact.info`.
    """

    layers: list[NcnnLayer]
    weights: bytes
    inputs: list[NcnnInput]
    outputs: list[tuple[int, ...]]
    modules: dict[str, list[str]]
    info: dict[str, Any]


def convert(model: torch.nn.Module, shape: Shape, folder: Path, half: bool = False) -> NcnnNetwork:
    """Converts a network for single inputs.

    Args:
        model: On the CPU, in evaluation mode; not changed.
        shape: What it takes.
        folder: Folder for pnnx's files.
        half: Store weights in float16.

    Raises:
        Unmeasurable: The network cannot be converted, with the reason.
    """
    network, outputs = _traced(model, shape, folder / "net.pt")
    _run_pnnx(network, folder, half)
    layers = read_layers((folder / "net.ncnn.param").read_text())
    origin = read_layers((folder / "net.pnnx.param").read_text())
    layers, inputs = without_integers(layers, origin)
    _check_layers(layers, len(outputs))
    weights = (folder / "net.ncnn.bin").read_bytes()
    modules = _modules(folder / "net.pnnx.bin")
    return NcnnNetwork(layers, weights, inputs, outputs, modules, network.info)


def _traced(
    model: torch.nn.Module, shape: Shape, path: Path
) -> tuple[FlatNetwork, list[tuple[int, ...]]]:
    """Writes the traced network; returns it and the shapes of its outputs for one example."""
    import torch

    from paretune.nests import leaves
    from paretune.objectives.runtimes.flat_module import flat_network, run_network

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        try:
            network = flat_network(model, shape)
            outputs = leaves(run_network(network.module, network.examples))
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                network.module, network.examples, check_trace=False
            )
            traced.save(str(path))
        except (OSError, Unmeasurable):
            raise
        except Exception as error:  # tracing passes on any exception of the model's code
            raise Unmeasurable(
                f"the network cannot be traced: {type(error).__name__}: {error}"
            ) from error
    _check_types(network, outputs)
    return network, [tuple(output.shape[1:]) for output in outputs]


def _check_types(network: FlatNetwork, outputs: list[torch.Tensor]) -> None:
    for each in network.signature.inputs:
        if each.dtype not in TYPES:
            raise Unmeasurable(
                f"ncnn has no type for the input {each.name}, which is {each.dtype}; it takes "
                f"{', '.join(TYPES)}"
            )
        if not 1 <= len(each.shape) <= LARGEST_RANK:
            raise Unmeasurable(
                f"ncnn takes inputs of 1 to {LARGEST_RANK} axes apart from the batch; the input "
                f"{each.name} has {len(each.shape)}"
            )
    for name, output in zip(network.outputs, outputs, strict=True):
        if not output.is_floating_point():
            raise Unmeasurable(
                f"ncnn returns floats, but the output {name} is {str(output.dtype)[6:]}; return "
                "scores, and choose among them outside the network"
            )


def _run_pnnx(network: FlatNetwork, folder: Path, half: bool) -> None:
    shapes = ",".join(
        f"[{','.join(map(str, (1, *each.shape)))}]{TYPES[each.dtype]}"
        for each in network.signature.inputs
    )
    command = [str(pnnx()), "net.pt", f"inputshape={shapes}", f"fp16={int(half)}"]
    process = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if process.returncode or not (folder / "net.ncnn.param").exists():
        lines = process.stderr.strip().splitlines() or ["no message"]
        raise Unmeasurable(
            f"pnnx cannot convert the network (exit code {process.returncode}): {lines[-1]}"
        )


def pnnx() -> Path:
    """Returns the path of the program of the package `pnnx`.

    Raises:
        Unmeasurable: The package is not installed.
    """
    spec = find_spec("pnnx")
    if spec is None or not spec.submodule_search_locations:
        raise Unmeasurable("pnnx is not installed; pip install 'paretune[ncnn]'")
    name = "pnnx.exe" if sys.platform == "win32" else "pnnx"
    return Path(spec.submodule_search_locations[0]) / name


def _check_layers(layers: list[NcnnLayer], outputs: int) -> None:
    import ncnn

    lacking = dict.fromkeys(layer.type for layer in layers if ncnn.layer_to_index(layer.type) == -1)
    if lacking:
        raise Unmeasurable(
            f"ncnn has no operator for {', '.join(lacking)}, which the network uses; deploy to "
            "onnxruntime, or replace it"
        )
    blobs = {blob for layer in layers for blob in layer.tops}
    missing = [f"out{index}" for index in range(outputs) if f"out{index}" not in blobs]
    if missing:
        raise Unmeasurable(
            f"pnnx dropped {len(missing)} of {outputs} outputs; return each tensor once, and no "
            "input"
        )


def _modules(path: Path) -> dict[str, list[str]]:
    """Returns SHA-256 of a weight -> names of the modules that have it."""
    modules: dict[str, list[str]] = {}
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            module, _, kind = name.rpartition(".")
            if kind == "weight":
                digest = hashlib.sha256(file.read(name)).hexdigest()
                modules.setdefault(digest, []).append(module.removeprefix(f"{WRAPPED}."))
    return modules
