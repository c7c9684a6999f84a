"""Devices as text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from paretune.objectives.devices.messages import DeviceFacts
from paretune.objectives.devices.trying import TriedDevice

NONE = "no devices were tried yet; type: paretune devices ssh://user@host"


def tried_text(tried: TriedDevice) -> str:
    """Returns how a try of a device ended, in a few lines."""
    lines = [f"{tried.address}: {tried.verdict}"]
    if tried.facts is not None:
        lines += _facts(tried.facts)
    lines += [f"{runtime}: {version}" for runtime, version in tried.runtimes]
    lines += tried.problems
    lines += [tried.note] if tried.note else []
    return "\n  ".join(lines)


def _facts(facts: DeviceFacts) -> list[str]:
    state = facts.state
    mhz = f"{sum(state.mhz) / len(state.mhz):.0f} MHz" if state.mhz else "clock not reported"
    celsius = "no temperature sensor" if state.celsius is None else f"{state.celsius:.1f} °C"
    governors = f"governor {', '.join(state.governors)}" if state.governors else "no governor"
    throttled = ", ".join(state.throttled) if state.throttled else "not throttled"
    return [
        f"{facts.model}: {facts.cpu}, {facts.machine}, {_cores(facts.cores)}, "
        f"{_memory(facts.memory_bytes)}",
        f"{facts.system}; Python {facts.python}; NumPy {facts.numpy or 'is missing'}",
        f"{celsius}, {mhz}, {governors}, {throttled}",
        f"energy: {', '.join(facts.counters) or facts.no_counters}",
        f"measuring now: {facts.holder}" if facts.holder else "free",
    ]


def remembered_text(devices: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the devices of earlier tries, a line each."""
    lines = [
        f"{address}: {facts.get('model')}, {facts.get('machine')}, "
        f"{_cores(int(facts.get('cores') or 0))}, {_memory(facts.get('memory_bytes'))}; "
        f"{', '.join(facts.get('runtimes') or {}) or 'no runtime'}; tried {_ago(facts)}"
        for address, facts in sorted(devices.items())
    ]
    return "\n".join(lines) or NONE


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _memory(count: int | None) -> str:
    return "memory unknown" if count is None else f"{count / 1e9:.1f} GB"


def _ago(facts: Mapping[str, Any]) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(float(facts.get("seen") or 0)))
