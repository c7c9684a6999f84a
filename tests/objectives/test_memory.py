"""Memory that an artifact adds to a new process with its runtime."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.memory import Memory
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.runtimes.torchscript import TorchScript

MiB = 2**20

HOLDING = '''\
"""A user's own runtime: it holds `bytes` of memory, and checks what was imported."""

import sys
import time

import numpy as np

from paretune.objectives.params import Params as Base


class HoldingRuntime:
    name = "holding"

    class Params(Base):
        mebibytes: int

    @staticmethod
    def load(path, options):
        assert "torch" not in sys.modules and "onnxruntime" not in sys.modules
        held = np.ones(options.mebibytes * 2**20, dtype=np.uint8)
        return lambda inputs: held[0]


class BrokenRuntime(HoldingRuntime):
    @staticmethod
    def load(path, options):
        raise ValueError("not a file of this runtime")
'''


@pytest.fixture
def holding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "holding_runtime.py").write_text(HOLDING)
    monkeypatch.syspath_prepend(tmp_path)
    import holding_runtime  # type: ignore[import-not-found]

    yield holding_runtime
    del sys.modules["holding_runtime"]


def test_memory_is_that_of_loading_and_running(
    holding: Any, make_subject: Callable[..., Subject]
) -> None:
    """The 64 MiB of a user's own runtime, without torch or ONNX Runtime."""
    runtime = holding.HoldingRuntime
    subject = make_subject(runtime=runtime, options=runtime.Params(mebibytes=64))
    memory = Memory.measure(subject, Memory.Params(repeats=2), "validation")
    assert memory.value == pytest.approx(64 * MiB, abs=3 * MiB)
    assert memory.low <= memory.value <= memory.high
    assert memory.count == 2
    assert memory.conditions["empty_bytes"] > 10 * MiB
    if sys.platform == "linux":
        assert memory.conditions["method"] == "VmHWM of /proc/self/status"


def test_memory_of_a_larger_network_is_larger_by_its_weights(
    make_data: Callable[..., Any], tmp_path: Path
) -> None:
    values = []
    for hidden in (8, 60_000):  # 60,000 x 64 float32: 15 MB
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = nn.Sequential(
                nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 3)
            )
        artifact = OnnxRuntime.export(net.eval(), (1, 8, 8), tmp_path / f"{hidden}.onnx")
        subject = Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), net, make_data())
        values.append(Memory.measure(subject, Memory.Params(repeats=2), "validation").value)
    weights = 60_000 * (64 + 3 + 1) * 4
    assert values[1] - values[0] >= 0.8 * weights


@pytest.mark.slow
def test_memory_of_a_torch_runtime_does_not_include_torch(
    make_subject: Callable[..., Subject], model: nn.Module, tmp_path: Path
) -> None:
    artifact = TorchScript.export(model, (1, 8, 8), tmp_path / "model.pt")
    subject = replace(
        make_subject(), artifact=artifact, runtime=TorchScript, options=TorchScript.Params()
    )
    memory = Memory.measure(subject, Memory.Params(repeats=2), "validation")
    assert memory.conditions["empty_bytes"] > 80 * MiB  # torch is imported before
    assert memory.value < memory.conditions["empty_bytes"]


def test_memory_is_unmeasurable_when_the_process_fails(
    holding: Any, make_subject: Callable[..., Subject]
) -> None:
    runtime = holding.BrokenRuntime
    subject = make_subject(runtime=runtime, options=runtime.Params(mebibytes=1))
    with pytest.raises(
        Unmeasurable, match="loads the artifact failed: ValueError: not a file of this runtime"
    ):
        Memory.measure(subject, Memory.Params(repeats=2), "validation")


def test_memory_is_unmeasurable_without_examples(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject]
) -> None:
    empty = make_data(0)
    assert np.array(list(empty.arrays("validation", 1))).size == 0
    with pytest.raises(Unmeasurable, match="the validation part has no examples"):
        Memory.measure(make_subject(empty), Memory.Params(), "validation")
