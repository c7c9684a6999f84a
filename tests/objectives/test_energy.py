"""Energy: from counters as Linux shows them, and absent with the reason where there are none."""

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


class Spending:
    """ONNX Runtime, each of whose runs lets counters go on."""

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


def test_energy_is_what_packages_and_their_memory_counted(
    powercap: Any, make_subject: MakeSubject
) -> None:
    spent = {"intel-rapl:0": 0.004, "intel-rapl:0:0": 0.001, "intel-rapl:1": 7.0}  # psys: all of it
    subject = make_subject(runtime=Spending(powercap, spent))
    found = Energy.measure(subject, Energy.Params(seconds=0.2), "validation")
    assert found.value == pytest.approx(0.005)
    assert found.low == pytest.approx(0.005) and found.high == pytest.approx(0.005)
    assert found.conditions["source"] == ["RAPL package-0", "RAPL package-0 dram"]
    assert found.conditions["library"].startswith("zeus ")
    assert found.conditions["watts"] > 0


def test_energy_is_that_of_one_example_of_a_batch(powercap: Any, make_subject: MakeSubject) -> None:
    subject = make_subject(runtime=Spending(powercap, {"intel-rapl:0": 0.01}))
    found = Energy.measure(subject, Energy.Params(seconds=0.1, batch=4), "validation")
    assert found.value == pytest.approx(0.0025)


def test_energy_is_absent_with_the_reason_where_there_is_no_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_subject: MakeSubject
) -> None:
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "nothing")
    monkeypatch.setattr(energy, "NVIDIA", tmp_path / "nothing")
    said = f"no RAPL counters ({tmp_path}/nothing is not there, as in most virtual machines)"
    assert Energy.unavailable() == f"{said}; no NVIDIA driver"
    assert Energy.unavailable(OnnxRuntime, OnnxRuntime.Params()) == said
    cuda = OnnxRuntime.Params(provider="cuda")
    assert Energy.unavailable(OnnxRuntime, cuda) == "no NVIDIA driver"
    with pytest.raises(Unmeasurable, match="energy: no RAPL counters"):
        Energy.measure(make_subject(), Energy.Params(), "validation")


def test_energy_says_when_the_counters_are_not_for_everybody(
    powercap: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def access(path: Path, mode: int) -> bool:  # root may read whatever the mode says
        asked.append(path.name)
        return False

    monkeypatch.setattr(energy.os, "access", access)
    why = Energy.unavailable(OnnxRuntime, OnnxRuntime.Params())
    assert why == f"only root may read the RAPL counters (sudo chmod -R a+r {powercap.root})"
    assert set(asked) == {"energy_uj"}


def test_energy_says_when_its_library_is_not_installed(
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
def test_counters_are_those_of_where_it_runs(
    runtime: str, options: dict[str, str], expected: bool
) -> None:
    assert on_gpu(SimpleNamespace(name=runtime), SimpleNamespace(**options)) is expected
