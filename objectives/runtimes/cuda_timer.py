"""Times runs on CUDA, with events around the work on the device or around a replayed graph of it.

It follows PyTorch's manual (torch.cuda.Event, torch.cuda.CUDAGraph). Its authors had no GPU to run
it on. The time is that of the network with its input already on the device; copies to and from the
host are not included. ONNX Runtime's CUDA provider is timed by the wall clock instead: its `run`
copies and waits, so its time includes the copies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BEFORE_CAPTURE = 3
"""Runs on a side stream before a graph is captured, as PyTorch's manual asks."""


class EventTimer:
    """Times a module on the device.

    Args:
        module: Positional tensors [B, ...] -> outputs, on the device.
        graph: Capture the module's kernels once and replay them. This leaves out the cost of
            launching each kernel from Python.
    """

    def __init__(self, module: Callable[..., Any], graph: bool = False) -> None:
        self._module = module
        self._graph = graph
        self._inputs: tuple[torch.Tensor, ...] = ()
        self._run: Callable[[], object] = lambda: None

    def __call__(self, *inputs: torch.Tensor) -> float:
        """Runs the module once and returns milliseconds.

        The first inputs of a shape stay on the device and are used for all runs of that shape.
        """
        import torch

        with torch.inference_mode():
            if [x.shape for x in self._inputs] != [x.shape for x in inputs]:
                self._inputs = tuple(x.clone() for x in inputs)
                self._run = self._capture(*self._inputs) if self._graph else self._eager
            event: Callable[..., Any] = torch.cuda.Event
            begin, end = event(enable_timing=True), event(enable_timing=True)
            begin.record()
            self._run()
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end))

    def _eager(self) -> object:
        return self._module(*self._inputs)

    def _capture(self, *inputs: torch.Tensor) -> Callable[[], object]:
        """Captures a graph of the module on these inputs; returns the function that replays it."""
        import torch

        stream: Callable[[], Any] = torch.cuda.Stream
        side = stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(BEFORE_CAPTURE):
                self._module(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._module(*inputs)
        replay: Callable[[], object] = graph.replay
        return replay
