"""Rows of workers, as a running study has them."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from paretune.search.database.processes import process_started


def living_row(name: str = "w") -> dict[str, Any]:
    """Returns the row of a worker that is this process."""
    return {
        "id": name,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started": process_started(os.getpid()),
        "heartbeat": time.time(),
    }


def dead_row(name: str = "dead") -> dict[str, Any]:
    """Returns the row of a worker whose process is gone."""
    return {**living_row(name), "pid": 2**22 + 1}
