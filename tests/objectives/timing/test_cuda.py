"""Timing on CUDA, with fake events, streams and graphs that record their calls."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.latency import Latency
from paretune.objectives.runtimes.torch_programs import TorchSession
from paretune.objectives.timing.cuda import BEFORE_CAPTURE, EventTimer, clocks


class FakeDevice:
    """A GPU on whose clock a run takes 2 ms, and a replayed run 1 ms."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def module(self, inputs: torch.Tensor) -> torch.Tensor:
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


def test_session_on_the_cpu_has_no_timer() -> None:
    assert not hasattr(TorchSession(torch.nn.Identity(), 1), "timed")


def test_session_on_cuda_is_timed_by_events(
    device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    session = TorchSession(device.module, 1, "cuda")
    assert session.timed(np.ones((2, 3), np.float32)) == 2.0


def fake_nvml() -> Any:
    class NVMLError(Exception):
        pass

    def clock(gpu: int, kind: str) -> int:
        return {"sm": 1410, "memory": 1593}[kind]

    fakes = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "NVML_CLOCK_SM": "sm",
        "NVML_CLOCK_MEM": "memory",
        "nvmlDeviceGetClockInfo": clock,
        "nvmlDeviceGetName": lambda gpu: "a GPU",
    }
    return SimpleNamespace(**fakes)


def test_clocks_are_returned_or_the_reason_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    assert clocks() == {"gpu": "a GPU", "sm_mhz": 1410, "memory_mhz": 1593}
    lost = fake_nvml()

    def fail() -> None:
        raise lost.NVMLError("Driver Not Loaded")

    lost.nvmlInit = fail
    monkeypatch.setitem(sys.modules, "pynvml", lost)
    assert clocks() == {"why_none": "NVML: Driver Not Loaded"}
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert clocks() == {"why_none": "clocks need the package nvidia-ml-py"}


def test_latency_records_clocks_on_cuda_only(
    make_subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml())
    subject = make_subject()
    params = Latency.Params(seconds=0.02, references=False)
    assert Latency.measure(subject, params, "validation").conditions["clocks"] is None

    class Options:
        device, threads = "cuda", 1

        def model_dump(self) -> dict[str, Any]:
            return {"device": self.device}

    runtime = SimpleNamespace(
        name="torch", load=lambda path, options: subject.runtime.load(path, subject.options)
    )
    on_cuda = replace(subject, runtime=runtime, options=Options())
    measured = Latency.measure(on_cuda, params, "validation")
    assert measured.conditions["clocks"]["sm_mhz"] == 1410
