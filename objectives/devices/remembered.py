"""The devices that this user has tested from this host, in a file of the user's cache."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.objectives.devices.messages import DeviceFacts

KEPT = ("identity", "machine", "model", "cpu", "cores", "memory_bytes", "system", "python", "numpy")
"""Facts that are kept of each device."""


def devices_file() -> Path:
    """Returns the path of the file."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "paretune" / "devices.json"


def remembered_devices() -> dict[str, dict[str, Any]]:
    """Returns address -> facts at the last test, and its time `seen` in seconds since 1970."""
    try:
        content = json.loads(devices_file().read_text())
    except (OSError, ValueError):  # a damaged file only costs the memory
        return {}
    if not isinstance(content, dict):
        return {}
    return {address: facts for address, facts in content.items() if isinstance(facts, dict)}


def remember_device(facts: DeviceFacts) -> Mapping[str, Any] | None:
    """Keeps a device's facts; returns those of the last time, or None."""
    devices = remembered_devices()
    earlier = devices.get(facts.address)
    kept = {name: getattr(facts, name) for name in KEPT}
    devices[facts.address] = {**kept, "runtimes": dict(facts.runtimes), "seen": time.time()}
    path = devices_file()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):  # a cache that cannot be written must not stop a test
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(devices, indent=1))
        os.replace(draft, path)
    return earlier
