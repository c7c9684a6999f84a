"""Objectives of a device that runs one network without pause: rates, energy, sustained latency."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import sizes
from paretune.objectives.base import Measurement, Subject, measurement
from paretune.objectives.devices.messages import DeviceFacts, Windows
from paretune.objectives.on_device.networks import (
    device_network,
    device_of,
    place_of,
    state_of,
    versions_of,
)
from paretune.objectives.timing.estimates import Estimate, median_of

if TYPE_CHECKING:
    from paretune.objectives.devices.device import Device

WINDOW = 1.0
"""Seconds of a window under sustained load."""

LAST = 1 / 4
"""Share of the time under load, at its end, that the sustained latency is taken of."""

LEAST_LAST = 2
"""Fewest windows that it is taken of."""


def device_throughput(objective: Any, subject: Subject, params: Any, windows: int) -> Measurement:
    """Returns inputs per second of several sessions that run at once on the device.

    Raises:
        Unmeasurable: There are no inputs, or the device cannot load or run the file.
    """
    answer, facts = _windows(
        subject,
        params.batch,
        windows=windows,
        seconds=params.seconds / windows,
        replicas=params.replicas,
    )
    rates = [window.rate * params.batch for window in answer.windows]
    conditions = {
        **_conditions(subject, params.batch, answer, facts),
        "replicas": params.replicas,
        "windows": windows,
        "mean": statistics.fmean(rates),
    }
    rate = median_of(rates)
    return measurement(objective, rate.value, _interval(rate), windows, conditions)


def device_energy(objective: Any, subject: Subject, params: Any, windows: int) -> Measurement:
    """Returns Joules of one example by the device's counters.

    Raises:
        Unmeasurable: There are no inputs, or the device cannot load or run the file.
    """
    answer, facts = _windows(
        subject, params.batch, windows=windows, seconds=params.seconds / windows, energy=True
    )
    spent = [(window.joules or 0.0, window.runs) for window in answer.windows]
    joules = median_of([each / (runs * params.batch) for each, runs in spent])
    conditions = {
        **_conditions(subject, params.batch, answer, facts),
        "source": list(answer.counters),
        "idle_included": True,
        "watts": sum(each for each, _ in spent) / sum(w.seconds for w in answer.windows),
        "windows": windows,
    }
    count = sum(runs for _, runs in spent)
    return measurement(objective, joules.value, _interval(joules), count, conditions)


def sustained_latency(objective: Any, subject: Subject, params: Any) -> Measurement:
    """Returns milliseconds of a run at the end of a time of load, beside those at its begin.

    The device starts cool and runs the network without pause. When it gets hot it reduces its
    clocks, by another factor for each network.

    Raises:
        Unmeasurable: There are no inputs, or the device cannot load or run the file.
    """
    load = device_of(subject).sustained
    assert load is not None, "only called for a device under load"
    count = max(2 * LEAST_LAST, round(load / WINDOW))
    answer, facts = _windows(
        subject, params.batch, windows=count, seconds=load / count, warm_up=False
    )
    times = [1000.0 / window.rate for window in answer.windows]
    last = max(LEAST_LAST, round(LAST * count))
    hot = median_of(times[-last:])
    cold = statistics.median(times[:LEAST_LAST])
    conditions = {
        **_conditions(subject, params.batch, answer, facts),
        "load_s": load,
        "cold_ms": cold,
        "times_the_cold": hot.value / cold,
        "ms_each_second": [round(ms, 6) for ms in times],
        "throttled_windows": sum(bool(window.throttled) for window in answer.windows),
        "hottest": max((w.celsius for w in answer.windows if w.celsius is not None), default=None),
    }
    return measurement(objective, hot.value, _interval(hot), last, conditions, "sustained")


def _windows(subject: Subject, batch: int, **options: Any) -> tuple[Windows, DeviceFacts]:
    network = device_network(subject, batch)

    def measured(device: Device) -> tuple[Windows, DeviceFacts]:
        return device.windows(network, **options), device.facts

    return device_of(subject).access.attempt(measured)


def _conditions(
    subject: Subject, batch: int, answer: Windows, facts: DeviceFacts
) -> dict[str, Any]:
    return {
        "batch": batch,
        "shape": sizes(subject.data.shape),
        "runtime": subject.runtime.name,
        **subject.options.model_dump(),
        **place_of(facts),
        **versions_of(facts, subject.runtime.name),
        **state_of(answer.gate, answer.before, answer.after),
    }


def _interval(estimate: Estimate) -> tuple[float, float]:
    return max(0.0, estimate.value - estimate.half), estimate.value + estimate.half


def device_memory(objective: Any, subject: Subject, params: Any, runs: int) -> Measurement:
    """Returns the memory that new processes on the device need for the artifact.

    Raises:
        Unmeasurable: There are no inputs, or a process cannot load or run the file.
    """
    network = device_network(subject, params.batch)

    def measured(device: Device) -> tuple[Any, DeviceFacts]:
        return device.memory(network, params.repeats, runs), device.facts

    answer, facts = device_of(subject).access.attempt(measured)
    added: Sequence[float] = [float(each) for each in answer.added]
    peak = median_of(added)
    conditions = {
        "batch": params.batch,
        "shape": sizes(subject.data.shape),
        "runtime": subject.runtime.name,
        **subject.options.model_dump(),
        **place_of(facts),
        **versions_of(facts, subject.runtime.name),
        "method": answer.method,
        "empty_bytes": answer.empty_bytes,
        "processes": len(added),
    }
    return measurement(objective, peak.value, _interval(peak), len(added), conditions)
