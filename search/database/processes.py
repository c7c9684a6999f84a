"""Facts about processes: when one started, and which processes of a database can see it."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


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


@cache
def process_space() -> str:
    """Returns a name of the processes that this one can see by their numbers.

    Containers may share a host name, and a host counts anew after a restart. So the name also has
    the kernel's boot and the namespace of process numbers, where /proc says them.
    """
    return " ".join((socket.gethostname(), _text("/proc/sys/kernel/random/boot_id"), _namespace()))


def _text(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return "-"


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"
