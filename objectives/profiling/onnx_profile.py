"""Profiles an .onnx file with ONNX Runtime's own profiler."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.profiling.attribution import Attribution
from paretune.objectives.profiling.base import NetworkPart, Times
from paretune.objectives.profiling.paired_runs import SECONDS, faster_half, run_pairs
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime, session_options

if TYPE_CHECKING:
    import numpy as np

KERNEL = "_kernel_time"
"""Suffix of the event of a node."""

RUN = "model_run"
"""Name of the event of a run."""

CUT = 0.5
"""Microseconds that a time in the profile lacks on average, because it is cut to whole ones."""


def onnx_times(
    path: Path,
    options: Any,
    inputs: Sequence[np.ndarray],
    modules: Collection[str],
    seconds: float = SECONDS,
) -> Times:
    """Runs a file with and without profiling in turn; returns how the time divides.

    Args:
        path: The .onnx file.
        options: Options of the runtime (OnnxRuntime.Params).
        inputs: An array [B, ...] for each input of the network.
        modules: Qualified names of the modules of the exported network.
        seconds: Seconds of measuring.

    Raises:
        Unmeasurable: The file cannot be loaded, or the provider is not available.
    """
    import onnx

    plain = OnnxRuntime.load(path, options)
    with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
        settings = session_options(options.threads)
        settings.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        settings.enable_profiling = True
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = OnnxRuntime.session(path, options, options.threads, settings)

        outputs = [each.name for each in session.get_outputs()]
        names = [each.name for each in session.get_inputs()]
        feeds = dict(zip(names, inputs, strict=True))

        def profiled() -> None:
            session.run(outputs, feeds)

        pin = options.threads == 1
        unprofiled_ms, profiled_ms = run_pairs(lambda: plain(*inputs), profiled, seconds, pin)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        optimized = onnx.load(settings.optimized_model_filepath, load_external_data=False).graph
    origins = Attribution(onnx.load(str(path)).graph, optimized, modules)
    runs = _runs(events, origins)[-len(profiled_ms) :]
    half = faster_half(list(zip(profiled_ms, runs, strict=True)))
    name, batch = OnnxRuntime.name, len(inputs[0])
    return Times(name, half.parts, half.between, unprofiled_ms, half.ms, half.count, batch)


def _runs(events: list[dict[str, Any]], origins: Attribution) -> list[list[NetworkPart]]:
    """Returns the parts of each run; the event of a run comes after those of its nodes."""
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
