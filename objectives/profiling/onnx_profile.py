"""Where the time of an .onnx file goes in ONNX Runtime, by its own profile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.profiling.attribution import Attribution
from paretune.objectives.profiling.base import NetworkPart, Times
from paretune.objectives.profiling.paired_runs import SECONDS, faster_half, run_pairs
from paretune.objectives.runtimes.onnxruntime import INPUT, OUTPUT, OnnxRuntime, session_options

if TYPE_CHECKING:
    import numpy as np

KERNEL = "_kernel_time"
RUN = "model_run"

CUT = 0.5
"""Microseconds: the profile cuts each time down to whole ones, which takes so much on average."""


def onnx_times(
    path: Path,
    options: Any,
    inputs: np.ndarray,
    modules: Collection[str],
    seconds: float = SECONDS,
) -> Times:
    """Profiles a file beside the same file without profiling.

    Args:
        path: The .onnx file.
        options: Of the runtime (OnnxRuntime.Params).
        inputs: What the model takes, [B, ...].
        modules: Qualified names of the modules of the network that was exported.
        seconds: To spend on it.

    Raises:
        Unmeasurable: The file cannot be loaded, or the provider is not here.
    """
    import onnx

    plain = OnnxRuntime.load(path, options)
    with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
        settings = session_options(options.threads)
        settings.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = OnnxRuntime.session(path, options, options.threads, settings)

        def profiled() -> None:
            session.run([OUTPUT], {INPUT: inputs})

        whole, having = run_pairs(lambda: plain(inputs), profiled, seconds, options.threads == 1)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        optimized = onnx.load(settings.optimized_model_filepath, load_external_data=False).graph
    origins = Attribution(onnx.load(str(path)).graph, optimized, modules)
    runs = _runs(events, origins)[-len(having) :]
    half = faster_half(list(zip(having, runs, strict=True)))
    name, batch = OnnxRuntime.name, len(inputs)
    return Times(name, half.parts, half.between, whole, half.ms, half.count, batch)


def _runs(events: list[dict[str, Any]], origins: Attribution) -> list[list[NetworkPart]]:
    """The parts of each run; the event of a run comes after those of its nodes."""
    runs: list[list[NetworkPart]] = []
    parts: list[NetworkPart] = []
    for event in events:
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith(KERNEL):
            node = name.removesuffix(KERNEL)
            operator = event["args"]["op_name"]
            parts.append(NetworkPart(origins.path(node), operator, (event["dur"] + CUT) / 1e3))
        elif event.get("cat") == "Session" and name == RUN:
            runs.append(parts)
            parts = []
    return runs
