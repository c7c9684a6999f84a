"""Timing on CUDA: by events around the work on the device, or around a replayed graph of it.

Written by PyTorch's manual (torch.cuda.Event, torch.cuda.CUDAGraph) and NVML's; it was not run on a
GPU by those who wrote it. The time is that of the network with its input on the device already;
copies to and from the host are not in it. ONNX Runtime's CUDA provider is timed on the wall
instead: its `run` copies and waits, so that the copies are in its time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BEFORE_CAPTURE = 3
"""Runs on a side stream before a graph is captured, as PyTorch's manual wants it."""


class EventTimer:
    """Milliseconds of a module on the device.

    Args:
        module: Inputs [B, ...] -> logits, on the device.
        graph: Capture its kernels once and replay them, which leaves out what launching each from
            Python costs.
    """

    def __init__(self, module: Callable[[Any], Any], graph: bool = False) -> None:
        self._module = module
        self._graph = graph
        self._given: torch.Tensor | None = None
        self._run: Callable[[], object] = lambda: None

    def __call__(self, given: torch.Tensor) -> float:
        """Runs once; the input stays on the device from run to run."""
        import torch

        with torch.inference_mode():
            if self._given is None or self._given.shape != given.shape:
                self._given = given.clone()
                self._run = self._captured(self._given) if self._graph else self._eager
            event: Callable[..., Any] = torch.cuda.Event
            begin, end = event(enable_timing=True), event(enable_timing=True)
            begin.record()
            self._run()
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end))

    def _eager(self) -> object:
        return self._module(self._given)

    def _captured(self, given: torch.Tensor) -> Callable[[], object]:
        import torch

        stream: Callable[[], Any] = torch.cuda.Stream
        side = stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(BEFORE_CAPTURE):
                self._module(given)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._module(given)
        replay: Callable[[], object] = graph.replay
        return replay


def clocks() -> dict[str, Any]:
    """Name and clocks of the first GPU in MHz, as they are now; else the reason for none."""
    try:
        import pynvml
    except ImportError:
        return {"why_none": "clocks need the package nvidia-ml-py"}
    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        kinds = {"sm_mhz": pynvml.NVML_CLOCK_SM, "memory_mhz": pynvml.NVML_CLOCK_MEM}
        now = {name: pynvml.nvmlDeviceGetClockInfo(gpu, kind) for name, kind in kinds.items()}
        return {"gpu": pynvml.nvmlDeviceGetName(gpu), **now}
    except pynvml.NVMLError as error:
        return {"why_none": f"NVML: {error}"}
