"""Workers: processes that run trials. A trial of a dead worker is taken over."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType

from paretune.search.database.processes import process_started
from paretune.search.database.store import Store
from paretune.search.running.liveness import lives

BEAT = 20.0
"""Seconds between two heartbeats."""


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
                "process_started": process_started(os.getpid()) or 0.0,
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
            if other["id"] != self.id and not lives(other):
                self._store.remove_worker(other["id"])

    def living(self) -> set[str]:
        """Returns the ids of living workers, this one included."""
        return {w["id"] for w in self._store.workers() if lives(w)}

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(Exception):  # the run itself says what is wrong with the database
                self._store.heartbeat(self.id)
