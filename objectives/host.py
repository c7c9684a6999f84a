"""Facts about the machine that a measurement runs on."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any


@cache
def fingerprint() -> dict[str, Any]:
    """Returns the processor, cores, memory and operating system, to record with measurements."""
    return {
        "host": platform.node(),
        "cpu": _processor(),
        "cores": cores(),
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "machine": platform.machine(),
    }


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float | None:
    """Returns the load of the last minute in running processes; None if the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def frequency() -> float | None:
    """Returns the present clock of the first core in MHz; None if the system does not report it."""
    try:
        current = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").read_text()
        return round(int(current) / 1000, 1)
    except (OSError, ValueError):
        pass
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("cpu MHz"):
                return round(float(line.partition(":")[2]), 1)
    except (OSError, ValueError):
        pass
    return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
