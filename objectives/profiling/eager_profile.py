"""Times a torch network, eager: every call of a torch function, by the module that makes it.

torch.profiler looks deeper, into what a function is made of, and prints to stderr. These runs take
1.1 to 2.5 times those without, which is said beside the figures.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from paretune.objectives.host import cores
from paretune.objectives.profiling.base import NetworkPart, Times
from paretune.objectives.profiling.paired_runs import SECONDS, faster_half, run_pairs

if TYPE_CHECKING:
    import numpy as np
    import torch


def eager_times(
    model: torch.nn.Module, inputs: np.ndarray, threads: int = 1, seconds: float = SECONDS
) -> Times:
    """Where the time of the torch network goes, on the CPU.

    Args:
        model: On the CPU; set to evaluation mode.
        inputs: What it takes, [B, ...].
        threads: 0 for all cores; torch's own, for the whole process, set back afterwards.
        seconds: To spend on it.
    """
    import torch

    from paretune.objectives.profiling.function_calls import CallWatcher

    given = torch.from_numpy(inputs)
    parts: list[NetworkPart] = []
    runs: list[list[NetworkPart]] = []

    def watch(path: str, name: str, run: Any, arguments: Any) -> Any:
        begun = time.perf_counter_ns()
        result = run()
        parts.append(NetworkPart(path, name, (time.perf_counter_ns() - begun) / 1e6))
        return result

    watching = CallWatcher(model.eval(), watch)

    def profiled() -> None:
        parts.clear()
        with watching.hooked(), watching:
            model(given)
        runs.append(list(parts))

    before = torch.get_num_threads()
    torch.set_flush_denormal(True)  # as every runtime here does
    torch.set_num_threads(threads or cores())
    try:
        with torch.inference_mode():
            whole, having = run_pairs(lambda: model(given), profiled, seconds, threads == 1)
    finally:
        torch.set_num_threads(before)
    half = faster_half(list(zip(having, runs[-len(having) :], strict=True)))
    return Times("torch", half.parts, half.between, whole, half.ms, half.count, len(inputs))
