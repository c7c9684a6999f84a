"""Converts networks to .mnn files with MNN's own converter, by way of ONNX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, signature_of
from paretune.nests import leaves
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import OUTPUTS
from paretune.objectives.runtimes.mnn_file import MnnNotes, settle_uuid
from paretune.objectives.runtimes.mnn_running import FED, fed, settings_of
from paretune.objectives.runtimes.onnx_quantization.half_precision import float16_weights
from paretune.objectives.runtimes.onnx_quantization.layers import LAYERS
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.runtimes.varied_sizes import dynamic_axes, resized

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.inputs import Signature

WORKER = Path(__file__).with_name("mnn_worker.py")
"""Script of the process that converts."""

PATIENCE = 3600
"""Longest time of a conversion, in seconds. A network of 350 MB took 22 s."""

EXACT_GELU = ["--useGeluApproximation", "0"]
"""By default MNN approximates GELU, with errors of up to 0.02 % of the range."""

STEPS = {"convert": "convert the network", "run": "run the network that it converted"}
"""Step of the worker -> what it does."""

NOISE = ("Start to", "The device supports", "inputTensors", "outputTensors")
"""Beginnings of lines that say nothing about a failure."""


@dataclass(frozen=True)
class MnnTrial:
    """Inputs that the converted file is run on once.

    Attributes:
        inputs: An array for each input.
        outputs: What the network returns for them.
    """

    inputs: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]


def convert(
    model: torch.nn.Module, shape: Shape, draft: Path, quantization: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes a network as a .mnn file, and returns the form of its outputs for `Artifact.info`.

    Args:
        model: On the CPU, in evaluation mode; not changed.
        shape: What it takes.
        draft: The file to write, in a folder of its own.
        quantization: {mode: options}, or empty for float32.

    Raises:
        Unmeasurable: The network cannot be converted, with the reason.
        OSError: A file cannot be written.
    """
    signature = signature_of(shape)
    _check_inputs(signature)
    plain = draft.with_name("float.onnx")
    artifact = OnnxRuntime.export(model, shape, plain)
    trials = _trials(model, signature)
    outputs = _outputs(artifact.path, trials[0])
    half = "float16" in quantization
    if half:
        round_weights(plain)
    notes = MnnNotes(signature.names, outputs, half, bool(quantization) and not half)
    options = [*EXACT_GELU, "--bizCode", notes.text, *_options(quantization)]
    _run_worker(plain, draft, options, notes, signature, trials)
    settle_uuid(draft)
    return {key: artifact.info[key] for key in (OUTPUTS,) if key in artifact.info}


def _options(quantization: Mapping[str, Any]) -> list[str]:
    """Returns the converter's arguments for a number format."""
    if "float16" in quantization:
        return ["--fp16"]
    if "dynamic" in quantization:
        return ["--weightQuantBits", "8"]
    if "weight_only" in quantization:
        options = quantization["weight_only"]
        bits, block = str(options["bits"]), str(options["block"])
        return ["--weightQuantBits", bits, "--weightQuantBlock", block]
    return []


def round_weights(path: Path) -> None:
    """Rounds the weights in an .onnx file to numbers that float16 has.

    MNN's converter cuts off the bits that float16 lacks, which errs 5 times as much.

    Args:
        path: The file; replaced.

    Raises:
        Unmeasurable: A weight is too large for float16.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    used = {name for node in model.graph.node if node.op_type in LAYERS for name in node.input[1:]}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in used and values.dtype == np.float32:
            rounded = float16_weights(values, tensor.name).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, str(path))


def _check_inputs(signature: Signature) -> None:
    for each in signature.inputs:
        if each.dtype not in FED:
            raise Unmeasurable(
                f"mnn has no type for the input {each.name}, which is {each.dtype}; it takes "
                f"{', '.join(FED)}"
            )


def _outputs(path: Path, trial: MnnTrial) -> dict[str, str]:
    """Returns name -> type of the outputs of an .onnx file.

    Raises:
        Unmeasurable: MNN has no such type.
    """
    import onnx

    names = [output.name for output in onnx.load(str(path), load_external_data=False).graph.output]
    outputs = {n: str(x.dtype) for n, x in zip(names, trial.outputs, strict=True)}
    for name, kind in outputs.items():
        if kind not in FED:
            raise Unmeasurable(
                f"mnn has no type for the output {name}, which is {kind}; it has those of "
                f"{', '.join(FED)}"
            )
    return outputs


def _trials(model: torch.nn.Module, signature: Signature) -> list[MnnTrial]:
    """Returns runs of the network: one example, two, and two of other sizes of dynamic axes."""
    trials = [_trial(model, signature, 1), _trial(model, signature, 2)]
    larger = {name: 2 * size for name, size in dynamic_axes(signature).items()}
    if larger:
        with suppress(Exception):  # it may take other sizes, but none that are twice as large
            trials.append(_trial(model, resized(signature, larger), 2))
    return trials


def _trial(model: torch.nn.Module, signature: Signature, batch: int) -> MnnTrial:
    from paretune.inputs import random_example
    from paretune.objectives.runtimes.flat_module import run_network

    inputs = random_example(signature, batch, seed=0)
    outputs = leaves(run_network(model, inputs))
    return MnnTrial([x.numpy() for x in leaves(inputs)], [x.numpy() for x in outputs])


def _run_worker(
    source: Path,
    target: Path,
    options: Sequence[str],
    notes: MnnNotes,
    signature: Signature,
    trials: Sequence[MnnTrial],
) -> None:
    folder, names = target.parent, signature.names
    files = [folder / f"trial-{index}.npz" for index in range(len(trials))]
    for file, trial in zip(files, trials, strict=True):
        _save(file, names, fed(trial.inputs))
    task = {
        "path": _import_paths(),
        "source": str(source),
        "target": str(target),
        "options": list(options),
        "settings": settings_of(notes),
        "inputs": list(notes.inputs),
        "outputs": list(notes.outputs),
        "trials": list(map(str, files)),
    }
    try:
        process = subprocess.run(
            # Isolated, because the script's folder has files named torch.py and mnn.py.
            [sys.executable, "-I", str(WORKER)],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise Unmeasurable(f"MNN's converter did not end within {PATIENCE} s") from error
    if process.returncode:
        raise Unmeasurable(_reason(process.returncode, process.stderr))
    for file, trial in zip(files, trials, strict=True):
        _check_shapes(file.with_suffix(".out.npz"), trial)


def _save(path: Path, names: Iterable[str], arrays: Iterable[np.ndarray]) -> None:
    import numpy as np

    np.savez(path, **dict(zip(names, arrays, strict=True)))  # type: ignore[arg-type]


def _import_paths() -> list[str]:
    """Returns the folders that have MNN and NumPy."""
    specs = [find_spec(name) for name in ("MNN", "numpy")]
    return [str(Path(spec.origin).parents[1]) for spec in specs if spec and spec.origin]


def _reason(status: int, printed: str) -> str:
    """Returns why a conversion failed, from what MNN printed."""
    lacking = re.search(r"These Op Not Support: (.+)", printed)
    if lacking:
        operators = ", ".join(dict.fromkeys(re.findall(r"ONNX::(\w+)", lacking[1])))
        return (
            f"MNN has no operator for {operators}, which the network uses; deploy to onnxruntime, "
            "or replace it"
        )
    _, mark, rest = printed.rpartition("step: ")
    step, *lines = [line.strip() for line in rest.splitlines()] or [""]
    causes = [line for line in lines if line and not line.startswith(NOISE)]
    last = f": {causes[-1]}" if causes else ""
    doing = STEPS.get(step, "start its converter") if mark else "start its converter"
    return f"MNN cannot {doing} (exit code {status}){last}"


def _check_shapes(path: Path, trial: MnnTrial) -> None:
    import numpy as np

    with np.load(path) as file:
        shapes = [file[name].shape for name in file.files]
    if not shapes:
        raise Unmeasurable(
            f"MNN cannot run the network that it converted on a batch of {len(trial.inputs[0])}; "
            "deploy to onnxruntime"
        )
    expected = [output.shape for output in trial.outputs]
    if shapes != expected:
        raise Unmeasurable(
            f"MNN returns the shapes {list(map(list, shapes))} for a batch of "
            f"{len(trial.inputs[0])}, and the network {list(map(list, expected))}; deploy to "
            "onnxruntime"
        )
