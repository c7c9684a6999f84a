"""Quantizes a float .onnx file in any of the modes."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.dynamic import quantize_dynamic
from paretune.objectives.runtimes.onnx_quantization.half_precision import store_half
from paretune.objectives.runtimes.onnx_quantization.static import quantize_marked, quantize_static
from paretune.objectives.runtimes.onnx_quantization.weight_only import quantize_weights

if TYPE_CHECKING:
    import numpy as np


def quantize(
    plain: Path,
    draft: Path,
    quantization: Mapping[str, Any],
    calibration: Iterator[Mapping[str, np.ndarray]] | None,
) -> dict[str, Any]:
    """Writes the quantized file; returns notes for the artifact's info, as JSON.

    Args:
        plain: The float file; scratch files are written next to it.
        draft: The file to write.
        quantization: {mode: options}.
        calibration: Batches of training inputs by name, for "static" and "qat".

    Raises:
        Unmeasurable: It cannot be quantized, with the reason.
        OSError: The file cannot be written.
    """
    [(mode, options)] = quantization.items()
    _check_finite(plain)
    with _quiet():
        try:
            return _in_mode(mode, plain, draft, options, calibration)
        except (Unmeasurable, OSError):
            raise
        except Exception as error:  # quantizers raise AssertionError, ValueError, KeyError, ...
            raise Unmeasurable(
                f"{mode} quantization failed: {type(error).__name__}: {error}"
            ) from error


def _in_mode(
    mode: str,
    plain: Path,
    draft: Path,
    options: Mapping[str, Any],
    calibration: Iterator[Mapping[str, np.ndarray]] | None,
) -> dict[str, Any]:
    match mode:
        case "dynamic":
            return quantize_dynamic(plain, draft, options)
        case "static" | "qat":
            if calibration is None:
                raise Unmeasurable(f"{mode} quantization needs calibration inputs")
            make = quantize_static if mode == "static" else quantize_marked
            return make(plain, draft, options, calibration)
        case "float16" | "bfloat16":
            return store_half(plain, draft, mode)
        case "weight_only":
            return quantize_weights(plain, draft, options)
        case _:
            raise Unmeasurable(f'ONNX Runtime has no quantization mode "{mode}"')


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences ONNX Runtime's quantizers, which print and log advice by the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)


WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Gather", "LSTM", "Attention")
"""Operators that have weights to quantize. Other constants may be infinite, as masks are."""


def _check_finite(path: Path) -> None:
    """Refuses weights that are not finite, and any constant with NaN.

    Raises:
        Unmeasurable: The text has the name of the tensor.
    """
    import numpy as np
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    weights = {name for node in graph.node if node.op_type in WITH_WEIGHTS for name in node.input}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        if tensor.name in weights or np.isnan(values).any():
            raise Unmeasurable(f"{tensor.name} is not finite: it cannot be quantized")
