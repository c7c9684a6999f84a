"""Energy: from counters as Linux shows them; without counters there is a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives import energy
from paretune.objectives.base import Subject
from paretune.objectives.energy import Energy, on_gpu
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

MakeSubject = Callable[..., Subject]


class SpendingRuntime:
    """ONNX Runtime; each run advances counters."""

    name = "onnxruntime"

    def __init__(self, tree: Any, spent: dict[str, float]) -> None:
        self._tree = tree
        self._spent = spent

    def load(self, path: Path, options: Any) -> Callable[[Any], Any]:
        session = OnnxRuntime.load(path, options)

        def run(inputs: Any) -> Any:
            for zone, joules in self._spent.items():
                self._tree.spend(zone, joules)
            return session(inputs)

        return run


def test_energy_adds_up_packages_and_their_memory(powercap: Any, make_subject: MakeSubject) -> None:
    spent = {"intel-rapl:0": 0.004, "intel-rapl:0:0": 0.001, "intel-rapl:1": 7.0}  # psys: the sum
    subject = make_subject(runtime=SpendingRuntime(powercap, spent))
    energy = Energy.measure(subject, Energy.Params(seconds=0.2), "validation")
    assert energy.value == pytest.approx(0.005)
    assert energy.low == pytest.approx(0.005) and energy.high == pytest.approx(0.005)
    assert energy.conditions["source"] == ["RAPL package-0", "RAPL package-0 dram"]
    assert energy.conditions["library"].startswith("zeus ")
    assert energy.conditions["watts"] > 0


def test_energy_is_per_example_of_a_batch(powercap: Any, make_subject: MakeSubject) -> None:
    subject = make_subject(runtime=SpendingRuntime(powercap, {"intel-rapl:0": 0.01}))
    energy = Energy.measure(subject, Energy.Params(seconds=0.1, batch=4), "validation")
    assert energy.value == pytest.approx(0.0025)


def test_energy_is_unmeasurable_with_a_reason_when_there_is_no_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_subject: MakeSubject
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "nothing")
    monkeypatch.setattr(energy, "NVIDIA", tmp_path / "nothing")
    reason = f"no RAPL counters ({tmp_path}/nothing is not there, as in most virtual machines)"
    assert Energy.unavailable() == f"{reason}; no NVIDIA driver"
    assert Energy.unavailable(OnnxRuntime, OnnxRuntime.Params()) == reason
    cuda = OnnxRuntime.Params(provider="cuda")
    assert Energy.unavailable(OnnxRuntime, cuda) == "no NVIDIA driver"
    with pytest.raises(Unmeasurable, match="energy: no RAPL counters"):
        Energy.measure(make_subject(), Energy.Params(), "validation")


def test_reason_is_given_when_only_root_may_read_the_counters(
    powercap: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []

    def access(path: Path, mode: int) -> bool:  # faked, because root may read any file
        checked.append(path.name)
        return False

    monkeypatch.setattr(energy.os, "access", access)
    reason = Energy.unavailable(OnnxRuntime, OnnxRuntime.Params())
    assert reason == f"only root may read the RAPL counters (sudo chmod -R a+r {powercap.root})"
    assert set(checked) == {"energy_uj"}


def test_reason_shows_what_to_type_when_zeus_is_not_installed(
    powercap: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "find_spec", lambda name: None)
    assert Energy.unavailable(OnnxRuntime, OnnxRuntime.Params()) == "pip install 'paretune[energy]'"


@pytest.mark.parametrize(
    ("runtime", "options", "expected"),
    [
        ("onnxruntime", {"provider": "cpu"}, False),
        ("onnxruntime", {"provider": "CUDAExecutionProvider"}, True),
        ("onnxruntime", {"provider": "tensorrt"}, True),
        ("torch", {"device": "cuda:1"}, True),
        ("openvino", {"device": "GPU"}, False),
        ("tensorrt", {}, True),
    ],
)
def test_on_gpu_follows_runtime_provider_and_device(
    runtime: str, options: dict[str, str], expected: bool
) -> None:
    assert on_gpu(SimpleNamespace(name=runtime), SimpleNamespace(**options)) is expected
