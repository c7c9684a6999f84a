"""The runtime `litert`: LiteRT (formerly TensorFlow Lite), for Android and microcontrollers.

Its converter, litert-torch, needs packages of other versions than Paretune. So it runs in another
Python, in a process that converts one program after the other. This process quantizes and runs
files.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import (
    Artifact,
    Compute,
    Outputs,
    check_mode,
    refuse_dynamic_axes,
)
from paretune.objectives.runtimes.calibration_inputs import flat_examples
from paretune.objectives.runtimes.litert_converter import LitertConverter, no_converter
from paretune.objectives.runtimes.torch_programs import (
    export_program,
    program_outputs,
    save_program,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest

INSTALL = "pip install 'paretune[litert]'"

SIGNATURE, INPUT = "serving_default", "args_"
"""The converter's name of the network, and the beginning of its inputs': args_0, args_1, ..."""


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
    needs = f"{INSTALL}; to convert, the environment that `paretune setup litert` makes"
    packages: tuple[str, ...] = ("ai-edge-litert",)

    class Params(Params):
        """Options of litert."""

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
        check_mode(LiteRt, quantization)
        refuse_dynamic_axes(LiteRt, shape)
        network = export_program(model, shape, batch=1)
        _check_here(LiteRt.unavailable())

        def write(draft: Path) -> dict[str, Any]:
            source, plain = draft.with_name("program.pt2"), draft.with_name("float.tflite")
            save_program(network.program, source)
            LitertConverter.get().convert(source, plain)
            if quantization:
                draft.write_bytes(_quantized(plain, shape, quantization, calibration))
            else:
                plain.rename(draft)
            return {"quantization": dict(quantization or {}), "batch": 1, **network.info}

        return write_artifact(path, LiteRt.name, write)

    @staticmethod
    def probe(model: torch.nn.Module, shape: Shape) -> Compute:
        """Does the first part of `export`; returns what torch.export's program computes.

        The rest takes long and rarely fails.

        Raises:
            Unmeasurable: The model cannot be exported.
        """
        _check_here(LiteRt.unavailable())
        refuse_dynamic_axes(LiteRt, shape)
        return program_outputs(export_program(model, shape, batch=1).program)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """Returns a session, which uses XNNPACK's kernels if there are any.

        Raises:
            Unmeasurable: The file is damaged, or LiteRT is not here.
        """
        return _Session(path, options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return f"""\
from ai_edge_litert.interpreter import Interpreter


def load(path):
    model = Interpreter(path, num_threads={options.threads or cores()})
    model.allocate_tensors()
{_RUN_SEVERAL if several else _RUN}"""

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return _no_interpreter() or no_converter()


_RUN = """\
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

_RUN_SEVERAL = """\
    runner = model.get_signature_runner()

    def in_order(details):  # names end with numbers: args_0, args_1
        return [details[name] for name in sorted(details, key=lambda n: int(n.split("_")[-1]))]

    sources = in_order(runner.get_input_details())
    targets = in_order(runner.get_output_details())

    def one(*inputs):  # int8 inputs and outputs have a scale and a zero point
        for values, source in zip(inputs, sources, strict=True):
            scale, zero = source["quantization"]
            if scale:
                limits = np.iinfo(source["dtype"])
                values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
            model.set_tensor(source["index"], values.astype(source["dtype"]))
        model.invoke()
        outputs = []
        for target in targets:
            values, (scale, zero) = model.get_tensor(target["index"]), target["quantization"]
            rounded = (values.astype(np.float32) - zero) * np.float32(scale)
            outputs.append(rounded if scale else values)
        return outputs

    def run(*inputs):
        rows = [one(*(x[i : i + 1] for x in inputs)) for i in range(len(inputs[0]))]
        arrays = tuple(map(np.concatenate, zip(*rows)))
        return arrays[0] if len(arrays) == 1 else arrays

    return run
"""


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        _check_here(_no_interpreter())
        import torch
        from ai_edge_litert.interpreter import Interpreter

        torch.set_flush_denormal(True)
        try:
            self._interpreter = Interpreter(str(path), num_threads=threads or cores())
            self._interpreter.allocate_tensors()
            self._inputs, self._outputs = _details(self._interpreter)
        except (RuntimeError, ValueError) as error:
            raise Unmeasurable(f"LiteRT cannot load {path.name}: {error}") from error

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        import numpy as np

        quantized = [_quantize(*each) for each in zip(inputs, self._inputs, strict=True)]
        rows = [self._run([each[i : i + 1] for each in quantized]) for i in range(len(inputs[0]))]
        columns = map(np.concatenate, zip(*rows, strict=True))
        outputs = tuple(_dequantize(*each) for each in zip(columns, self._outputs, strict=True))
        return outputs[0] if len(outputs) == 1 else outputs

    def _run(self, example: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs one example."""
        for values, details in zip(example, self._inputs, strict=True):
            self._interpreter.set_tensor(details["index"], values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(details["index"]) for details in self._outputs]


Details = Mapping[str, Any]
"""What the interpreter tells of a tensor: index, type, scale and zero point."""


def _details(interpreter: Any) -> tuple[list[Details], list[Details]]:
    """Returns the inputs and the outputs in the order of the network.

    The interpreter's own lists may be in another order; the converter's names have numbers.
    """
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) == len(outputs) == 1:
        return inputs, outputs
    runner = interpreter.get_signature_runner(SIGNATURE)
    return _in_order(runner.get_input_details()), _in_order(runner.get_output_details())


def _in_order(details: Mapping[str, Details]) -> list[Details]:
    return [details[name] for name in sorted(details, key=lambda n: int(n.rpartition("_")[2]))]


def _quantize(values: np.ndarray, details: Details) -> np.ndarray:
    """Returns an input in the file's type; for int8, quantized by its scale and zero point."""
    import numpy as np

    scale, zero = details["quantization"]
    kind = details["dtype"]
    if not scale:
        return values.astype(kind, copy=False)
    limits = np.iinfo(kind)
    rounded: np.ndarray = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    return rounded.astype(kind)


def _dequantize(values: np.ndarray, details: Details) -> np.ndarray:
    """Returns an output in float32 if the file rounds it, else as it is."""
    import numpy as np

    scale, zero = details["quantization"]
    if not scale:
        return values
    floats: np.ndarray = (values.astype(np.float32) - zero) * np.float32(scale)
    return floats


def _no_interpreter() -> str | None:
    installed = find_spec("ai_edge_litert") and find_spec("ai_edge_quantizer")
    return None if installed else f"ai-edge-litert and its quantizer are not installed; {INSTALL}"


def _check_here(reason: str | None) -> None:
    if reason:
        raise Unmeasurable(reason)


def _quantized(
    plain: Path,
    shape: Shape,
    quantization: Mapping[str, Any],
    calibration: Iterator[Nest] | None,
) -> bytes:
    from ai_edge_quantizer import quantizer, recipe

    [(mode, options)] = quantization.items()
    steps = recipe.static_wi8_ai8() if mode == "static" else recipe.dynamic_wi8_afp32()
    if mode == "static" and not options["per_channel"]:
        steps = json.loads(json.dumps(steps).replace('"CHANNELWISE"', '"TENSORWISE"'))
    examples = list(flat_examples(shape, calibration))
    if mode == "static" and not examples:
        raise Unmeasurable("static quantization needs calibration inputs")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            by_google = quantizer.Quantizer(str(plain), steps)
            ranges = None
            if by_google.need_calibration:
                samples = [
                    {f"{INPUT}{index}": _narrow(array) for index, array in enumerate(example)}
                    for example in examples
                ]
                ranges = by_google.calibrate({SIGNATURE: samples})
            return bytes(by_google.quantize(ranges).quantized_model)
        except Exception as error:  # the quantizer raises many kinds of exceptions
            raise Unmeasurable(
                f"{mode} quantization failed: {type(error).__name__}: {error}"
            ) from error


def _narrow(array: np.ndarray) -> np.ndarray:
    """Returns 64-bit integers in 32 bits, as the converter stores them."""
    import numpy as np

    return array.astype(np.int32) if array.dtype == np.int64 else array
