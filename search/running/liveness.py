"""Whether a worker's process is alive."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paretune.search.database.store import Row

SILENCE = 600.0
"""A worker of another host counts as dead after this many seconds without a heartbeat.

Generous: a busy process, a sleeping laptop or a clock a few minutes off must not lose its trial."""


def lives(worker: Mapping[str, Any] | Row) -> bool:
    """Returns whether a worker's row names a living process."""
    if worker["host"] != socket.gethostname():
        return bool(time.time() - worker["heartbeat"] < SILENCE)
    started = process_started(worker["pid"])
    if started is None:
        return False
    # Another process may have the dead worker's number; only its start time differs.
    return not worker["process_started"] or abs(started - worker["process_started"]) < 0.5


def process_started(pid: int) -> float | None:
    """Returns when a process of this host started, in clock ticks; None if it is gone.

    Without /proc the result for a living process is 0, which also fits a later process.
    """
    stat = Path(f"/proc/{pid}/stat")
    try:
        fields = stat.read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else float(fields[19])
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0.0
