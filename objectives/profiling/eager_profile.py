"""Profiles a torch network in eager mode: times every torch function by the module that calls it.

torch.profiler would time the operators inside these functions as well, and prints to stderr. Runs
with this profiling take 1.1 to 2.5 times as long as without; the profile reports the overhead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from paretune.inputs import call
from paretune.nests import Nest, batch_size, mapped
from paretune.objectives.host import cores
from paretune.objectives.profiling.base import NetworkPart, Times
from paretune.objectives.profiling.paired_runs import SECONDS, faster_half, run_pairs

if TYPE_CHECKING:
    import torch


def eager_times(
    model: torch.nn.Module, inputs: Nest, threads: int = 1, seconds: float = SECONDS
) -> Times:
    """Profiles a torch network on the CPU.

    Args:
        model: On the CPU; set to evaluation mode.
        inputs: Arrays [B, ...] in the model's form.
        threads: torch's threads; 0 for all cores. Set for the whole process and restored
            afterwards.
        seconds: Seconds of measuring.
    """
    import torch

    from paretune.objectives.profiling.function_calls import CallWatcher

    batch = mapped(inputs, torch.from_numpy)
    parts: list[NetworkPart] = []
    runs: list[list[NetworkPart]] = []

    def watch(path: str, name: str, run: Any, arguments: Any) -> Any:
        begun = time.perf_counter_ns()
        result = run()
        parts.append(NetworkPart(path, name, (time.perf_counter_ns() - begun) / 1e6))
        return result

    watcher = CallWatcher(model.eval(), watch)

    def profiled() -> None:
        parts.clear()
        with watcher.hooked(), watcher:
            call(model, batch)
        runs.append(list(parts))

    before = torch.get_num_threads()
    torch.set_flush_denormal(True)  # as in every runtime of Paretune
    torch.set_num_threads(threads or cores())
    try:
        with torch.inference_mode():
            unprofiled_ms, profiled_ms = run_pairs(
                lambda: call(model, batch), profiled, seconds, threads == 1
            )
    finally:
        torch.set_num_threads(before)
    half = faster_half(list(zip(profiled_ms, runs[-len(profiled_ms) :], strict=True)))
    return Times(
        "torch", half.parts, half.between, unprofiled_ms, half.ms, half.count, batch_size(inputs)
    )
