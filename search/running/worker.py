"""Workers: processes that run trials. A trial of a dead worker is taken over."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from paretune.search.database.store import Row, Store

BEAT = 20.0
"""Seconds between two heartbeats."""

SILENCE = 600.0
"""A worker of another host counts as dead after this many seconds without a heartbeat.

Generous: a busy process, a sleeping laptop or a clock a few minutes off must not lose its trial."""


class Worker:
    """This process as a worker of a study; use it as a context.

    Args:
        store: Database that keeps the heartbeats.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.id = uuid.uuid4().hex[:12]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="paretune-beat")

    def __enter__(self) -> Worker:
        """Registers this worker and starts its heartbeat."""
        self._store.add_worker(
            {
                "id": self.id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "process_started": _process_started(os.getpid()) or 0.0,
                "heartbeat": time.time(),
            }
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes this worker, even if an interrupt arrives meanwhile."""
        try:
            self._over.set()
            self._thread.join()
            self._store.remove_worker(self.id)
        except KeyboardInterrupt:
            self._store.remove_worker(self.id)
            raise
        except Exception:
            if error is None:  # else it may hide why the run ended: a damaged database, for example
                raise

    def remove_dead(self) -> None:
        """Removes registered workers that are dead."""
        for other in self._store.workers():
            if other["id"] != self.id and not _lives(other):
                self._store.remove_worker(other["id"])

    def living(self) -> set[str]:
        """Returns the ids of living workers, this one included."""
        return {w["id"] for w in self._store.workers() if _lives(w)}

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(Exception):  # the run itself says what is wrong with the database
                self._store.heartbeat(self.id)


def _lives(worker: Row) -> bool:
    if worker["host"] != socket.gethostname():
        return bool(time.time() - worker["heartbeat"] < SILENCE)
    started = _process_started(worker["pid"])
    if started is None:
        return False
    # Another process may have the dead worker's number; only its start time differs.
    return not worker["process_started"] or abs(started - worker["process_started"]) < 0.5


def _process_started(pid: int) -> float | None:
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
