"""Exports a network as a runtime's file, without a print; says which line an exporter refuses."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from paretune.inputs import Shape, example
from paretune.nests import mapped
from paretune.objectives.errors import Unmeasurable
from paretune.search.building.baked_values import baked_text, calls_of, value_lines
from paretune.search.building.captured_output import captured
from paretune.search.building.forward_trace import trace_until_error
from paretune.search.study.deployment import placement
from paretune.search.study.tables import RUNTIMES

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.spaces.base import Candidate

CALIBRATION_BATCH = 32

OPERATOR = re.compile(r"(?:operator|op|[Mm]issing out variants:?)\s*:?\s*[{'\"`]*((?:aten::)?\w+)")
"""The operator in an exporter's message: "Exporting the operator 'aten::linalg_svd' to ONNX"."""

FIXED_BATCH = re.compile(r"(?:inferred|specialized it) to be a constant \((\d+)\)")
"""torch.export's words for a network that works for the batch of the example only."""

MOST = 400
"""Characters of an exporter's message that a reason repeats."""

T = TypeVar("T")


def export(candidate: Candidate, runtime: str, path: Path, data: Dataset) -> Artifact:
    """Exports a candidate as a runtime's file; static int8 is calibrated on training examples.

    Raises:
        Unmeasurable: The runtime cannot export or quantize it. The text has one line; what the
            exporter printed is a note of the exception.
    """
    quantization = candidate.quantization
    calibration = None
    images = [options.get("images") for options in (quantization or {}).values()]
    if images and images[0]:
        calibration = data.calibration(images[0], CALIBRATION_BATCH)
    model = candidate.model.cpu().eval()

    def write() -> Artifact:
        artifact: Artifact = RUNTIMES.get(runtime).export(
            model, candidate.shape, path, quantization, calibration
        )
        return artifact

    return quietly(write, model, lambda: next(data.calibration(2, 2)))


def quiet_placement(runtime: str | None) -> Any:
    """Returns the function that finds the roundings of a runtime's int8; None if it has none.

    The function prints nothing.
    """
    places = placement(runtime)
    if places is None:
        return None

    def placed(model: torch.nn.Module, shape: Shape, options: Mapping[str, Any]) -> Any:
        return quietly(lambda: places(model, shape, options), model, lambda: example(shape, 2))

    return placed


def quietly(work: Callable[[], T], model: torch.nn.Module, example: Callable[[], Any]) -> T:
    """Returns the result of an exporter, which prints nothing.

    Args:
        work: Exports the network.
        model: The network.
        example: Returns inputs of it [B, ...], for the explanation of a failure.

    Raises:
        Unmeasurable: As `work` raises it, in one line that names the lines of the network's code.
        Exception: Whatever else `work` raises.
    """
    with captured() as output:
        try:
            return work()
        except Unmeasurable as error:
            reason, details = error, traceback.format_exc()
    explained = Unmeasurable(_in_one_line(str(reason)) + _blamed(str(reason), model, example))
    explained.add_note(f"{details}\n{output.text}".strip())
    raise explained from None


def _in_one_line(message: str) -> str:
    """Returns the first line of a message, without an exporter's advice to report it."""
    fixed = FIXED_BATCH.search(message)
    if fixed:
        return f"torch.export refuses the network: it fixes the batch at {fixed[1]}"
    line = message.strip().partition("\n")[0]
    line = re.sub(r"\s*Please (?:feel free|open|report|file).*", "", line)
    line = re.sub(r"\s*\[Caused by the value.*", "", line)
    line = line.rstrip(". ")
    return line if len(line) <= MOST else line[: MOST - 3] + "..."


def _blamed(message: str, model: torch.nn.Module, example: Callable[[], Any]) -> str:
    """Returns the lines that call the operator of a message, or that read values."""
    try:
        calls, _ = trace_until_error(model, mapped(example(), _tensor))
    except Exception:  # an explanation must not hide the reason
        return ""
    if FIXED_BATCH.search(message):
        baked = baked_text(calls, about_sizes=True, about_values=False)
        return f"; {baked}" if baked else ""
    for operator in dict.fromkeys(OPERATOR.findall(message)):
        lines = calls_of(calls, operator)
        if lines:
            called = f"{operator.removeprefix('aten::')} is called at {' and '.join(lines[:2])}"
            return f"; {called}. Write it with other operators, or deploy to another runtime"
    values = value_lines(calls)
    return f"; in the network, {'; '.join(values[:2])}" if values else ""


def _tensor(array: Any) -> torch.Tensor:
    import torch

    return torch.as_tensor(array)
