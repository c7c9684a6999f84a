"""Data to measure on, networks, and a subject: an artifact in its runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from torch import nn

from paretune.objectives.base import EvaluationData, Subject
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from support.tasks import classification

settings.register_profile(
    "busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")  # on a busy machine, an example may take long

SHAPE = (1, 8, 8)
CLASSES = 3


class ToyData:
    """Images of noise; labels are 0 unless set."""

    task = classification(CLASSES)
    shape = SHAPE

    def __init__(self, count: int = 40, labels: np.ndarray | None = None) -> None:
        generator = np.random.default_rng(0)
        self.images = generator.normal(size=(count, *SHAPE)).astype(np.float32)
        self.labels = np.zeros(count, dtype=np.int64) if labels is None else labels

    def size(self, part: str) -> int:
        return len(self.labels)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(self.labels), batch_size):
            rows = slice(start, start + batch_size)
            yield self.images[rows], self.labels[rows]


@pytest.fixture(autouse=True)
def _torch_settings() -> Iterator[None]:
    """Restores threads and denormals, which torch's runtimes set for the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def make_data() -> Callable[..., Any]:
    """`make_data(count, labels)` -> data."""
    return ToyData


@pytest.fixture
def model() -> nn.Module:
    """Two convolutions and two linear layers, 1x8x8 pixels -> 3 classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 32),
            nn.ReLU(),
            nn.Linear(32, CLASSES),
        )
    return network.eval()


@pytest.fixture
def make_subject(model: nn.Module, tmp_path: Path) -> Callable[..., Subject]:
    """A float ONNX Runtime artifact of `model`; keyword arguments replace other fields."""

    def make(data: EvaluationData | None = None, **more: Any) -> Subject:
        artifact = OnnxRuntime.export(model, SHAPE, tmp_path / "subject.onnx")
        examples: Any = data or ToyData()
        subject = Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, examples)
        return replace(subject, **more)

    return make


class Powercap:
    """A copy of Linux's tree /sys/class/powercap: real files in a temporary folder."""

    def __init__(self, root: Path, packages: int = 1, dram: bool = True) -> None:
        self.root = root
        self.zones: dict[str, Path] = {}
        for number in range(packages):
            zone = root / f"intel-rapl:{number}"
            self._add(zone, f"package-{number}")
            if dram:
                self._add(zone / f"intel-rapl:{number}:0", "dram")
        self._add(root / f"intel-rapl:{packages}", "psys")

    def _add(self, zone: Path, name: str) -> None:
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text("1000000\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        self.zones[zone.name] = zone

    def spend(self, zone: str, joules: float) -> None:
        """Advances a counter, in one step for its reader."""
        file = self.zones[zone] / "energy_uj"
        draft = file.with_suffix(".new")
        draft.write_text(f"{int(file.read_text()) + round(joules * 1e6)}\n")
        draft.replace(file)


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Powercap:
    """The folder that objectives/energy.py reads: one package with memory, and `psys`."""
    pytest.importorskip("zeus")
    tree = Powercap(tmp_path / "intel-rapl")
    monkeypatch.setattr("paretune.objectives.energy.POWERCAP", tree.root)
    return tree
