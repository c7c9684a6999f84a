"""The runtime `litert`: LiteRT (formerly TensorFlow Lite), for Android and microcontrollers.

Its converter, litert-torch, needs an older torch than Paretune. So it runs in a separate Python, in
a process that converts one program after the other. This process quantizes and runs files.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, Compute, check_mode
from paretune.objectives.runtimes.torch_programs import (
    export_program,
    program_outputs,
    save_program,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

PYTHON = "PARETUNE_LITERT_PYTHON"
"""Environment variable: path of the python of an environment that has litert-torch."""

INSTALL = "pip install 'paretune[litert]'"

SIGNATURE, INPUT = "serving_default", "args_0"
"""The converter's names of the network and its input."""


class LiteRt:
    """LiteRT, formerly TensorFlow Lite (.tflite): float32, dynamic and static int8; batch 1.

    Quantization uses Google's ai-edge-quantizer on the converted file.

    - Dynamic: weights in 8 bits, activations quantized while it runs. Weights are always per
      channel, because with one scale per tensor LiteRT 2.3 computes convolutions wrongly.
    - Static: weights, activations, input and output in 8 bits. Ranges are moving averages of
      minimum and maximum (the option `calibration` chooses a method of ONNX Runtime and has no
      effect here).

    The converter refuses a dynamic batch dimension in a reshape. So a file takes one example, and a
    session runs the examples of a batch one by one.
    """

    name = "litert"
    suffix = ".tflite"
    quantizations: tuple[str, ...] = ("dynamic", "static")
    dynamic_batch = False
    library = "ai_edge_litert.interpreter"
    needs = f"{INSTALL}; to convert, a Python with litert-torch, named by {PYTHON}"
    packages: tuple[str, ...] = ("ai-edge-litert",)

    class Params(Params):
        """Options of litert."""

        threads: int = Field(1, ge=0, le=1024, description="threads of one inference; 0: all cores")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Converts the model for single inputs.

        Raises:
            Unmeasurable: The model cannot be exported, converted or quantized, with the reason.
            OSError: The file cannot be written.
        """
        check_mode(LiteRt, quantization)
        program = export_program(model, shape, batch=1)
        _check_here(LiteRt.unavailable())

        def write(draft: Path) -> dict[str, Any]:
            source, plain = draft.with_name("program.pt2"), draft.with_name("float.tflite")
            save_program(program, source)
            _Converter.get().convert(source, plain)
            if quantization:
                draft.write_bytes(_quantized(plain, quantization, calibration))
            else:
                plain.rename(draft)
            return {"quantization": dict(quantization or {}), "batch": 1}

        return write_artifact(path, LiteRt.name, write)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> Compute:
        """Does the first part of `export`; returns what torch.export's program computes.

        The rest takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        _check_here(LiteRt.unavailable())
        return program_outputs(export_program(model, shape, batch=1))

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session, which uses XNNPACK's kernels if there are any.

        Raises:
            Unmeasurable: The file is damaged, or LiteRT is not here.
        """
        return _Session(path, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
from ai_edge_litert.interpreter import Interpreter


def load(path):
    model = Interpreter(path, num_threads={options.threads or cores()})
    model.allocate_tensors()
    [source], [target] = model.get_input_details(), model.get_output_details()

    def one(values):  # int8 inputs and outputs have a scale and a zero point
        scale, zero = source["quantization"]
        if scale:
            limits = np.iinfo(source["dtype"])
            values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
        model.set_tensor(source["index"], values.astype(source["dtype"]))
        model.invoke()
        values = model.get_tensor(target["index"]).astype(np.float32)
        scale, zero = target["quantization"]
        return (values - zero) * np.float32(scale) if scale else values

    return lambda inputs: np.concatenate([one(values[None]) for values in inputs])
"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        reason = _no_interpreter()
        if reason or _python():
            return reason
        return (
            "no converter: litert-torch needs an older torch; make an environment for it (python "
            f"-m venv, pip install litert-torch) and set {PYTHON} to its python"
        )


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        _check_here(_no_interpreter())
        import torch
        from ai_edge_litert.interpreter import Interpreter

        torch.set_flush_denormal(True)
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads or cores())
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise Unmeasurable(f"LiteRT cannot load {path.name}: {error}") from error
        [self._input] = self._interpreter.get_input_details()
        [self._output] = self._interpreter.get_output_details()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        import numpy as np

        values = _quantize_inputs(inputs, self._input)
        rows = []
        for i in range(len(values)):
            self._interpreter.set_tensor(self._input["index"], values[i : i + 1])
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(self._output["index"])[0])
        return _dequantize_outputs(np.stack(rows), self._output)


def _quantize_inputs(inputs: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    """Returns inputs in the file's type; for int8, quantized by its scale and zero point."""
    import numpy as np

    scale, zero = details["quantization"]
    kind = details["dtype"]
    if not scale:
        return inputs.astype(kind, copy=False)
    limits = np.iinfo(kind)
    rounded: np.ndarray = np.clip(np.rint(inputs / scale) + zero, limits.min, limits.max)
    return rounded.astype(kind)


def _dequantize_outputs(outputs: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    import numpy as np

    scale, zero = details["quantization"]
    if not scale:
        return outputs.astype(np.float32, copy=False)
    values: np.ndarray = (outputs.astype(np.float32) - zero) * np.float32(scale)
    return values


def _no_interpreter() -> str | None:
    installed = find_spec("ai_edge_litert") and find_spec("ai_edge_quantizer")
    return None if installed else f"ai-edge-litert and its quantizer are not installed; {INSTALL}"


def _check_here(reason: str | None) -> None:
    if reason:
        raise Unmeasurable(reason)


def _python() -> str | None:
    """Returns the Python that converts: the variable's, or this one if it has litert-torch."""
    path = os.environ.get(PYTHON)
    if path:
        return path if os.access(path, os.X_OK) else None
    return sys.executable if find_spec("litert_torch") else None


def _quantized(
    plain: Path, quantization: Mapping[str, Any], calibration: Iterator[np.ndarray] | None
) -> bytes:
    from ai_edge_quantizer import quantizer, recipe

    [(mode, options)] = quantization.items()
    steps = recipe.static_wi8_ai8() if mode == "static" else recipe.dynamic_wi8_afp32()
    if mode == "static" and not options["per_channel"]:
        steps = json.loads(json.dumps(steps).replace('"CHANNELWISE"', '"TENSORWISE"'))
    images = [image for batch in calibration or () for image in batch]
    if mode == "static" and not images:
        raise Unmeasurable("static quantization needs calibration images")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            by_google = quantizer.Quantizer(str(plain), steps)
            ranges = None
            if by_google.need_calibration:
                samples = [{INPUT: image[None]} for image in images]
                ranges = by_google.calibrate({SIGNATURE: samples})
            return bytes(by_google.quantize(ranges).quantized_model)
        except Exception as error:  # the quantizer raises many kinds of exceptions
            raise Unmeasurable(
                f"{mode} quantization failed: {type(error).__name__}: {error}"
            ) from error


class _Converter:
    """The process that converts. It starts at the first conversion and ends with this process."""

    _running: _Converter | None = None

    @classmethod
    def get(cls) -> _Converter:
        """Returns this process's converter; starts it if it does not run."""
        if cls._running is None or cls._running.process.poll() is not None:
            cls._running = cls()
            atexit.register(cls._running.end)
        return cls._running

    def __init__(self) -> None:
        python = _python()
        assert python is not None
        worker = Path(__file__).with_name("litert_worker.py")
        self.process = subprocess.Popen(
            # Isolated, because the script's folder has files named torch.py and litert.py.
            [python, "-I", str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def convert(self, source: Path, target: Path) -> None:
        """Converts a program to a .tflite file.

        Raises:
            Unmeasurable: It cannot be converted.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"program": str(source), "file": str(target)}))
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or '{"error": "it ended"}')
        except OSError as error:
            answer = {"error": str(error)}
        if answer["error"] is not None:
            raise Unmeasurable(f"litert-torch cannot convert the network: {answer['error']}")

    def end(self) -> None:
        """Ends the process if it still runs."""
        self.process.kill()
        self.process.communicate()
