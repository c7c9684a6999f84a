"""Clocks of a GPU, from a fake NVML."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives.latency import Latency
from paretune.objectives.timing.gpu_clocks import clocks


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


def test_gpu_clocks_are_returned_or_the_reason_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
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
