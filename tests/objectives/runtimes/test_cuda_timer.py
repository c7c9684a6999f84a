"""Timing on CUDA, with fake events, streams and graphs that record their calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.runtimes.cuda_timer import BEFORE_CAPTURE, EventTimer
from paretune.objectives.runtimes.torch_programs import TorchSession


class FakeDevice:
    """A GPU; by its clock a run takes 2 ms, and a replayed run 1 ms."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def module(self, inputs: torch.Tensor, *more: torch.Tensor) -> torch.Tensor:
        self.now += 2.0
        self.calls.append("run")
        return inputs

    def fakes(self) -> dict[str, Any]:
        device = self

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = device.now

            def synchronize(self) -> None:
                device.calls.append("wait")

            def elapsed_time(self, end: Event) -> float:
                return end.at - self.at

        class Graph:
            def replay(self) -> None:
                device.now += 1.0
                device.calls.append("replay")

        @contextlib.contextmanager
        def scope(target: Any) -> Iterator[None]:
            device.calls.append("begin")
            yield
            device.calls.append("end")

        stream = SimpleNamespace(wait_stream=lambda other: None)
        return {
            "Event": Event,
            "CUDAGraph": Graph,
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": scope,
            "graph": scope,
        }


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    device = FakeDevice()
    for name, fake in device.fakes().items():
        monkeypatch.setattr(torch.cuda, name, fake)
    return device


def test_time_is_that_between_two_events_on_the_device(device: FakeDevice) -> None:
    timer = EventTimer(device.module)
    assert [timer(torch.ones(2, 3)) for _ in range(3)] == [2.0] * 3
    assert device.calls == ["run", "wait"] * 3


def test_graph_is_captured_once_for_a_shape_and_replayed(device: FakeDevice) -> None:
    timer = EventTimer(device.module, graph=True)
    assert [timer(torch.ones(2, 3)) for _ in range(2)] == [1.0, 1.0]
    before = ["begin", *["run"] * BEFORE_CAPTURE, "end", "begin", "run", "end"]
    assert device.calls == [*before, *["replay", "wait"] * 2]
    timer(torch.ones(4, 3))
    assert device.calls.count("begin") == 4


def test_graph_is_captured_again_when_one_of_several_inputs_has_another_shape(
    device: FakeDevice,
) -> None:
    timer = EventTimer(device.module, graph=True)
    for length in (3, 3, 5):
        timer(torch.ones(2, 3), torch.ones(2, length))
    assert device.calls.count("begin") == 4


def test_session_on_the_cpu_has_no_timer() -> None:
    assert not hasattr(TorchSession(torch.nn.Identity(), 1), "timed")


def test_session_on_cuda_is_timed_by_events(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    session = TorchSession(device.module, 1, "cuda")
    assert session.timed(np.ones((2, 3), np.float32)) == 2.0
