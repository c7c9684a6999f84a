"""The objective `energy`: Joules of one inference, from the machine's own counters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from paretune.inputs import sizes
from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores, load_average
from paretune.objectives.on_device.windows import device_energy
from paretune.objectives.params import Params as Base
from paretune.objectives.timing.estimates import median_of
from paretune.objectives.timing.inputs import validation_batch

POWERCAP = Path("/sys/class/powercap/intel-rapl")
"""Linux's folder of RAPL counters, on Intel's and AMD's processors."""

NVIDIA = Path("/proc/driver/nvidia/version")
"""A file that exists if NVIDIA's driver is loaded."""

WINDOWS = 8
"""The time is split into windows. Each gives Joules per example, and the value is their median."""

ON_GPU = ("cuda", "tensorrt")
"""Beginnings of the names of providers, devices and runtimes that run on an NVIDIA GPU."""

Counters = dict[str, Callable[[], float]]
"""Source -> a function that returns the Joules it has counted until now."""


class Energy:
    """Joules for one example, of the whole processor package or GPU, idle power included.

    Zeus (https://ml.energy/zeus) reads counters: RAPL of each package and its memory, and NVML's
    total energy if the runtime runs on an NVIDIA GPU. Nothing is estimated: without a counter there
    is not a measurement.
    """

    name = "energy"
    unit = "J"
    better: Better = "lower"
    cost = 2
    needs = "pip install 'paretune[energy]', and RAPL or NVML counters"

    class Params(Base):
        """Options of energy."""

        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        seconds: float = Field(2.0, gt=0, le=3600, description="seconds of measuring")

    @staticmethod
    def unavailable(runtime: Any = None, options: Any = None) -> str | None:
        """Returns why no counter can be read here, or None; in any runtime if `runtime` is None."""
        processor, gpu = _no_rapl(), _no_nvml()
        if runtime is None:
            reason = f"{processor}; {gpu}" if processor and gpu else None
        else:
            reason = gpu if on_gpu(runtime, options) else processor
        if reason is None and find_spec("zeus") is None:
            return "pip install 'paretune[energy]'"
        return reason

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact for some time; the interval is the scatter of the windows.

        Raises:
            Unmeasurable: There are no counters here, or no inputs.
        """
        if subject.device is not None:
            return device_energy(Energy, subject, params, WINDOWS)
        reason = Energy.unavailable(subject.runtime, subject.options)
        if reason:
            raise Unmeasurable(f"energy: {reason}")
        inputs = validation_batch(subject.data, params.batch)
        session = subject.runtime.load(subject.artifact.path, subject.options)
        counters = _counters(on_gpu(subject.runtime, subject.options))
        _window(session, inputs, counters, params.seconds / WINDOWS)  # warms up
        windows = [
            _window(session, inputs, counters, params.seconds / WINDOWS) for _ in range(WINDOWS)
        ]
        joules = median_of([spent / (runs * params.batch) for spent, runs, _ in windows])
        seconds = sum(took for _, _, took in windows)
        conditions = {
            "source": list(counters),
            "library": f"zeus {version('zeus')}",
            "idle_included": True,
            "watts": sum(spent for spent, _, _ in windows) / seconds,
            "batch": params.batch,
            "shape": sizes(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "windows": WINDOWS,
            "cores": cores(),
            "load_average": load_average(),
        }
        interval = (max(0.0, joules.value - joules.half), joules.value + joules.half)
        count = sum(runs for _, runs, _ in windows)
        return measurement(Energy, joules.value, interval, count, conditions)


def on_gpu(runtime: Any, options: Any) -> bool:
    """Returns whether a runtime with these options computes on an NVIDIA GPU."""
    names = (getattr(options, "provider", ""), getattr(options, "device", ""), runtime.name)
    return any(str(name).lower().startswith(ON_GPU) for name in names)


def _no_rapl() -> str | None:
    zones = list(POWERCAP.glob("intel-rapl:*/energy_uj"))
    if not zones:
        return f"no RAPL counters ({POWERCAP} is not there, as in most virtual machines)"
    if not all(os.access(zone, os.R_OK) for zone in zones):
        return f"only root may read the RAPL counters (sudo chmod -R a+r {POWERCAP})"
    return None


def _no_nvml() -> str | None:
    return None if NVIDIA.exists() else "no NVIDIA driver"


def _counters(gpu: bool) -> Counters:
    """Returns the counters that can be read; Zeus handles their overflow.

    Raises:
        Unmeasurable: There are none any more.
    """
    counters: Counters = {}
    if _no_rapl() is None:
        counters |= _packages()
    if gpu:
        from zeus.device.gpu.nvidia import NVIDIAGPUs

        gpus = NVIDIAGPUs()
        counters["NVML GPU 0"] = lambda: gpus.get_total_energy_consumption(0) / 1000
    if not counters:
        raise Unmeasurable("energy: the counters are gone")
    return counters


def _packages() -> Counters:
    """Returns the counters of each processor package and its memory.

    The zone `psys` is left out, because it contains the packages and would count them twice.
    """
    from zeus.device.cpu.rapl import RAPLCPU

    counters: Counters = {}
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        number = zone.name.partition(":")[2]
        if not number.isdigit() or not (zone / "name").read_text().startswith("package"):
            continue
        package = RAPLCPU(int(number), str(POWERCAP))
        name = package.rapl_file.name
        counters[f"RAPL {name}"] = _joules(package.rapl_file)
        if package.dram is not None:
            counters[f"RAPL {name} dram"] = _joules(package.dram)
    return counters


def _joules(file: Any) -> Callable[[], float]:
    return lambda: float(file.read()) / 1000


def _window(
    session: Callable[..., Any], inputs: Sequence[Any], counters: Counters, seconds: float
) -> tuple[float, int, float]:
    """Runs the session for some seconds; returns Joules, runs and seconds."""
    before = sum(read() for read in counters.values())
    begun, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - begun < seconds:
        session(*inputs)
        runs += 1
    took = time.perf_counter() - begun
    return sum(read() for read in counters.values()) - before, runs, took
