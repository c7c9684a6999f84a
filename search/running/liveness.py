"""Whether a worker's process is alive."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.database.processes import process_started

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
