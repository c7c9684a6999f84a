"""Profiles an .onnx file with OpenVINO's own counters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.profiling.base import NetworkPart, Times
from paretune.objectives.profiling.module_names import module_of
from paretune.objectives.profiling.paired_runs import SECONDS, faster_half, run_pairs
from paretune.objectives.runtimes.openvino import OpenVino, request

if TYPE_CHECKING:
    import numpy as np


def openvino_times(
    path: Path,
    options: Any,
    inputs: Sequence[np.ndarray],
    modules: Collection[str],
    seconds: float = SECONDS,
) -> Times:
    """Runs a file with and without profiling in turn; returns how the time divides.

    OpenVINO names a fused node after its first operator, the convolution or product. It names a
    reordering after the operator that reads its result. The last node has the name of the output.

    Args:
        path: The .onnx file.
        options: Options of the runtime (OpenVino.Params).
        inputs: An array [B, ...] for each input of the network.
        modules: Qualified names of the modules of the exported network.
        seconds: Seconds of measuring.

    Raises:
        Unmeasurable: The file cannot be loaded, or OpenVINO or the device is not available.
    """
    import onnx

    plain = OpenVino.load(path, options)
    profiling = request(path, options, options.threads, profiling=True)
    makers = {
        output: node.name for node in onnx.load(str(path)).graph.node for output in node.output
    }
    runs: list[list[NetworkPart]] = []

    def profiled() -> None:
        profiling.infer(dict(enumerate(inputs)), share_inputs=True)
        runs.append(
            [
                NetworkPart(_module(node.node_name, makers, modules), node.node_type, _ms(node))
                for node in profiling.get_profiling_info()
                if node.status == node.Status.EXECUTED
            ]
        )

    pin = options.threads == 1
    unprofiled_ms, profiled_ms = run_pairs(lambda: plain(*inputs), profiled, seconds, pin)
    half = faster_half(list(zip(profiled_ms, runs[-len(profiled_ms) :], strict=True)))
    name, batch = OpenVino.name, len(inputs[0])
    return Times(name, half.parts, half.between, unprofiled_ms, half.ms, half.count, batch)


def _module(name: str, makers: dict[str, str], modules: Collection[str]) -> str:
    return module_of(makers.get(name, name), modules) or ""


def _ms(node: Any) -> float:
    return float(node.real_time.total_seconds() * 1e3)
