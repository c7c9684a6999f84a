"""Energy of one inference, from the machine's own counters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores, load_average
from paretune.objectives.params import Params as Base
from paretune.objectives.timing.estimates import median_of
from paretune.objectives.timing.inputs import validation_batch

POWERCAP = Path("/sys/class/powercap/intel-rapl")
"""RAPL counters of Linux, on AMD's processors too."""

NVIDIA = Path("/proc/driver/nvidia/version")

WINDOWS = 8
"""Of which each gives a figure; the value is their median."""

ON_GPU = ("cuda", "tensorrt")

Counters = dict[str, Callable[[], float]]
"""Source -> the Joules that it has counted so far."""


class Energy:
    """Joules for one example, of the whole processor package or GPU, its idle power included.

    Read through Zeus (https://ml.energy/zeus) from counters only: RAPL of each package and its
    memory, and NVML's total energy where the runtime runs on an NVIDIA GPU. Nothing is estimated;
    where there is no counter, there is no measurement.
    """

    name = "energy"
    unit = "J"
    better: Better = "lower"
    cost = 2
    needs = "pip install 'paretune[energy]', and RAPL or NVML counters"

    class Params(Base):
        """Options of energy."""

        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        seconds: float = Field(2.0, gt=0, le=3600, description="the time spent on it")

    @staticmethod
    def unavailable(runtime: Any = None, options: Any = None) -> str | None:
        """Why nothing can be read here; of any runtime when None is given."""
        processor, gpu = _no_rapl(), _no_nvml()
        if runtime is None:
            why = f"{processor}; {gpu}" if processor and gpu else None
        else:
            why = gpu if on_gpu(runtime, options) else processor
        if why is None and find_spec("zeus") is None:
            return "pip install 'paretune[energy]'"
        return why

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact for some time; the interval is that of the windows.

        Raises:
            Unmeasurable: There are no counters here, or no inputs.
        """
        why = Energy.unavailable(subject.runtime, subject.options)
        if why:
            raise Unmeasurable(f"energy: {why}")
        inputs = validation_batch(subject.data, params.batch)
        session = subject.runtime.load(subject.artifact.path, subject.options)
        counters = _counters(on_gpu(subject.runtime, subject.options))
        _window(session, inputs, counters, params.seconds / WINDOWS)  # warms both up
        found = [
            _window(session, inputs, counters, params.seconds / WINDOWS) for _ in range(WINDOWS)
        ]
        joules = median_of([spent / (runs * params.batch) for spent, runs, _ in found])
        seconds = sum(took for _, _, took in found)
        conditions = {
            "source": list(counters),
            "library": f"zeus {version('zeus')}",
            "idle_included": True,
            "watts": sum(spent for spent, _, _ in found) / seconds,
            "batch": params.batch,
            "shape": list(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "windows": WINDOWS,
            "cores": cores(),
            "load_average": load_average(),
        }
        ends = (max(0.0, joules.value - joules.half), joules.value + joules.half)
        count = sum(runs for _, runs, _ in found)
        return measurement(Energy, joules.value, ends, count, conditions)


def on_gpu(runtime: Any, options: Any) -> bool:
    """Whether a runtime with these options computes on an NVIDIA GPU."""
    chosen = (getattr(options, "provider", ""), getattr(options, "device", ""), runtime.name)
    return any(str(one).lower().startswith(ON_GPU) for one in chosen)


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
    """The counters that can be read; Zeus takes care of their running over."""
    found: Counters = {}
    if _no_rapl() is None:
        found |= _packages()
    if gpu:
        from zeus.device.gpu.nvidia import NVIDIAGPUs

        gpus = NVIDIAGPUs()
        found["NVML GPU 0"] = lambda: gpus.get_total_energy_consumption(0) / 1000
    if not found:
        raise Unmeasurable("energy: the counters are gone")
    return found


def _packages() -> Counters:
    """Each processor package, with its memory; `psys` would count them twice."""
    from zeus.device.cpu.rapl import RAPLCPU

    found: Counters = {}
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        number = zone.name.partition(":")[2]
        if not number.isdigit() or not (zone / "name").read_text().startswith("package"):
            continue
        package = RAPLCPU(int(number), str(POWERCAP))
        name = package.rapl_file.name
        found[f"RAPL {name}"] = _joules(package.rapl_file)
        if package.dram is not None:
            found[f"RAPL {name} dram"] = _joules(package.dram)
    return found


def _joules(file: Any) -> Callable[[], float]:
    return lambda: float(file.read()) / 1000


def _window(
    session: Callable[[Any], Any], inputs: Any, counters: Counters, seconds: float
) -> tuple[float, int, float]:
    """Joules, runs and seconds of some runs in a row."""
    before = sum(read() for read in counters.values())
    begun, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - begun < seconds:
        session(inputs)
        runs += 1
    took = time.perf_counter() - begun
    return sum(read() for read in counters.values()) - before, runs, took
