"""Objectives on a device, whose runner is made up: what comes back is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.objectives.accuracy import Accuracy
from paretune.objectives.base import Measurement, Subject
from paretune.objectives.device_use import DeviceUse
from paretune.objectives.devices.messages import (
    DeviceFacts,
    DeviceNetwork,
    DeviceState,
    GateResult,
    Memory,
    Window,
    Windows,
)
from paretune.objectives.devices.timing import DeviceProbe, DeviceRuns
from paretune.objectives.energy import Energy
from paretune.objectives.latency import Latency
from paretune.objectives.memory import Memory as MemoryObjective
from paretune.objectives.on_device import outputs
from paretune.objectives.on_device.outputs import largest_difference
from paretune.objectives.throughput import Throughput
from paretune.objectives.timing.blocks import TimedBlock

COOL = DeviceState(41.0, (1500.0, 1500.0), ("ondemand",), (), 0.1)
HOT = DeviceState(79.0, (1000.0, 1000.0), ("ondemand",), ("soft limit",), 0.9)
GATE = GateResult(True, 0.0, 41.0, 65.0)
FACTS = DeviceFacts(
    "ssh://pi@cam", "abc", "aarch64", "Linux", "Pi 5", "Cortex-A76", 4, None, "3.11", "2.1",
    {"onnxruntime": "onnxruntime 1.20"}, ("counter",), None, None, COOL, "digest",
)  # fmt: skip


class FixedTiming:
    """Times networks of fixed speed.

    Args:
        speeds: Milliseconds of each network, in the order of the request.
        throttled: Numbers of the blocks in which clocks are reduced, which doubles all times.
    """

    def __init__(self, speeds: Sequence[float], throttled: Sequence[int] = ()) -> None:
        answer = {"cpu_clock": True, "warm_up_runs": 20, "load_seconds": 0.001}
        self.networks = [DeviceRuns(DeviceProbe(1.0), answer) for _ in speeds]
        self.gate, self.before, self.after, self.denormals = GATE, COOL, COOL, "flushed"
        self.speeds, self.throttled = speeds, throttled

    def block(self, seconds: float, reload: bool = False) -> float:
        for network, speed in zip(self.networks, self.speeds, strict=True):
            block = TimedBlock()
            block.throttled = len(network.blocks) in self.throttled
            for run in range(8):
                ms = speed * (1 + 0.001 * run) * (2 if block.throttled else 1)
                block.wall.append(ms)
                block.cpu.append(ms)
                block.probe.append(1.0)
            network.blocks.append(block)
            network.visits += 1
        return seconds


@dataclass
class FixedDevice:
    """A device that answers with fixed figures.

    Attributes:
        speeds: File -> milliseconds; another file takes `other`.
        offset: Added to all outputs of the host.
    """

    speeds: dict[Path, float]
    other: float = 0.5
    offset: float = 0.0
    throttled: tuple[int, ...] = ()
    model: Callable[..., Any] = lambda inputs: inputs
    address: str = "ssh://pi@cam"

    facts = FACTS

    def attempt(self, action: Callable[[Any], Any]) -> Any:
        return action(self)

    @contextmanager
    def timing(self, networks: Sequence[DeviceNetwork], pin: bool) -> Iterator[FixedTiming]:
        assert all(len(network.inputs) == 1 for network in networks)
        speeds = [self.speeds.get(network.path, self.other) for network in networks]
        yield FixedTiming(speeds, self.throttled)

    def run(self, network: DeviceNetwork, batches: Sequence[Any]) -> Iterator[np.ndarray]:
        for batch in batches:
            yield self.model(*batch) + self.offset

    def memory(self, network: DeviceNetwork, processes: int, runs: int) -> Memory:
        return Memory(tuple(1000 + 10 * n for n in range(processes)), 500, "VmHWM")

    def windows(self, network: DeviceNetwork, windows: int, seconds: float, **_: Any) -> Windows:
        """Slows down to half its rate, as a board that gets hot."""
        figures = [
            Window(seconds, 10, 100.0 if n < windows / 2 else 50.0, 0.4, 70.0, 1000.0, ())
            for n in range(windows)
        ]
        return Windows(figures, GATE, ("counter",), COOL, HOT)


@pytest.fixture
def subject(make_subject: Callable[..., Subject]) -> Subject:
    """A float ONNX Runtime artifact of a small network."""
    return make_subject()


def on(subject: Subject, device: FixedDevice, **options: Any) -> Subject:
    return replace(subject, device=DeviceUse(device, **options))


def test_latency_is_that_of_the_device_with_its_conditions(subject: Subject) -> None:
    device = FixedDevice({subject.artifact.path: 3.0})

    measured = Latency.measure(on(subject, device), Latency.Params(), "validation")

    assert isinstance(measured, Measurement)
    assert measured.value == pytest.approx(3.0, rel=0.01)
    expected = {"host": "Pi 5", "cpu": "Cortex-A76", "identity": "abc", "address": "ssh://pi@cam"}
    assert expected.items() <= measured.conditions.items()
    assert measured.conditions["celsius"] == [41.0, 41.0]
    assert measured.conditions["references"]["networks"]


def test_latency_of_a_candidate_is_its_ratio_to_the_baseline_on_the_device(
    subject: Subject,
) -> None:
    baseline = replace(subject.artifact, path=Path("baseline"))
    device = FixedDevice({subject.artifact.path: 1.0, baseline.path: 4.0})
    reference = Latency.measure(
        on(replace(subject, artifact=baseline), device), Latency.Params(), "validation"
    )
    assert isinstance(reference, Measurement)
    device.speeds = {subject.artifact.path: 2.0, baseline.path: 8.0}  # all is twice as slow now
    device.other = 1.0
    candidate = replace(subject, baseline=baseline, baseline_measurements={"latency": reference})

    measured = Latency.measure(on(candidate, device), Latency.Params(), "validation")

    assert isinstance(measured, Measurement)
    assert measured.value == pytest.approx(1.0, rel=0.01)
    assert measured.conditions["references"]["used"]


def test_references_of_another_device_are_not_used(subject: Subject) -> None:
    device = FixedDevice({})
    reference = Latency.measure(on(subject, device), Latency.Params(), "validation")
    assert isinstance(reference, Measurement)
    device.facts = replace(FACTS, identity="another")  # type: ignore[misc]
    candidate = replace(
        subject, baseline=subject.artifact, baseline_measurements={"latency": reference}
    )

    measured = Latency.measure(on(candidate, device), Latency.Params(), "validation")

    assert isinstance(measured, Measurement)
    assert not measured.conditions["references"]["used"]


def test_throttled_blocks_do_not_count(subject: Subject) -> None:
    device = FixedDevice({subject.artifact.path: 3.0}, throttled=(0, 2))

    measured = Latency.measure(on(subject, device), Latency.Params(), "validation")

    assert isinstance(measured, Measurement)
    assert measured.value == pytest.approx(3.0, rel=0.01)
    assert measured.conditions["throttled_blocks"] == 2


def test_sustained_latency_is_that_of_the_hot_device(subject: Subject) -> None:
    device = FixedDevice({subject.artifact.path: 3.0})

    cold, hot = Latency.measure(on(subject, device, sustained=60.0), Latency.Params(), "validation")  # type: ignore[misc]

    assert (cold.name, hot.name) == ("latency", "latency.sustained")
    assert hot.value == pytest.approx(20.0)
    assert hot.conditions["cold_ms"] == pytest.approx(10.0)
    assert hot.conditions["times_the_cold"] == pytest.approx(2.0)
    assert hot.conditions["throttled"] == ["soft limit"]


def test_memory_throughput_and_energy_are_those_of_the_device(subject: Subject) -> None:
    there = on(subject, FixedDevice({}))

    memory = MemoryObjective.measure(there, MemoryObjective.Params(), "validation")
    throughput = Throughput.measure(there, Throughput.Params(batch=4), "validation")
    energy = Energy.measure(there, Energy.Params(batch=2), "validation")

    assert memory.value == 1015
    assert throughput.value == pytest.approx(4 * 75.0)
    assert energy.value == pytest.approx(0.4 / 20)
    assert {m.conditions["host"] for m in (memory, throughput, energy)} == {"Pi 5"}


@pytest.mark.parametrize(
    ("offset", "scores", "source"),
    [(0.0, "auto", "host"), (5.0, "auto", "device"), (0.0, "device", "device")],
)
def test_scores_are_of_the_devices_outputs_where_they_differ_or_the_user_asks(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, offset: float, scores: str, source: str
) -> None:
    monkeypatch.setattr(outputs, "_SEEN", {})
    host = subject.runtime.load(subject.artifact.path, subject.options)
    noise = np.random.default_rng(0)
    device = FixedDevice(
        {}, model=lambda x: host(x) + offset * noise.normal(size=np.shape(host(x)))
    )

    measured = Accuracy.measure(on(subject, device, scores=scores), Accuracy.Params(), "validation")

    assert measured[0].conditions["outputs"] == source
    assert measured[0].conditions["address"] == "ssh://pi@cam"


def test_outputs_of_another_form_differ() -> None:
    one = np.arange(6.0).reshape(2, 3)

    assert largest_difference([one], [one + 0.5]) == pytest.approx(0.1)
    assert largest_difference([one], [one]) == 0.0
    assert math.isnan(largest_difference([one], [one[:, :2]]))
    assert math.isnan(largest_difference([one], [np.full_like(one, np.nan)]))
