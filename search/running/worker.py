"""Workers: processes that run trials. A trial of a dead worker is taken over."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from paretune.search.database.processes import process_space, process_started
from paretune.search.database.store import Store
from paretune.search.database.trials import LEFT
from paretune.search.running.liveness import BEAT, Observer
from paretune.search.study.role import Role

LOOK_EVERY = 1.0
"""Seconds in which a look at the workers counts, if all that matter lived then."""


class Worker:
    """This process as a worker of a study; use it as a context.

    Args:
        store: Database that keeps the heartbeats.
        role: The kinds of stages that it runs.
    """

    def __init__(self, store: Store, role: Role = Role.ALL) -> None:
        self._store = store
        self.role = role
        self.id = uuid.uuid4().hex[:12]
        self._observer = Observer()
        self._looked, self._living = -math.inf, {self.id}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="paretune-beat")

    def __enter__(self) -> Worker:
        """Registers this worker and starts its heartbeat."""
        self._register()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves its trial and removes this worker, even if an interrupt arrives meanwhile."""
        try:
            self._over.set()
            self._thread.join()
            self._leave()
        except KeyboardInterrupt:
            self._leave()
            raise
        except Exception:
            if error is None:  # else it may hide why the run ended: a damaged database, for example
                raise

    def _leave(self) -> None:
        self._store.leave(self.id)
        self._store.remove_worker(self.id)

    def remove_dead(self) -> None:
        """Removes registered workers that are dead."""
        rows = self._store.workers()
        living = self._observer.living(rows)
        for other in rows:
            if other["id"] not in {*living, self.id}:
                self._store.remove_worker(other["id"])

    def living(self) -> set[str]:
        """Returns the ids of living workers, this one included."""
        self._living = {self.id, *self._observer.living(self._store.workers())}
        self._looked = time.monotonic()
        return self._living

    def living_among(self, owners: Iterable[str | None]) -> set[str]:
        """Returns which workers live, of those that have trials.

        A worker is alive for the others until the next look, a second later at most. One that is
        not yet in the last look may be new, so there is another look.

        Args:
            owners: The workers of running trials; None or LEFT for a trial without one.
        """
        asked = {owner for owner in owners if owner is not None and owner != LEFT}
        is_recent = time.monotonic() - self._looked < LOOK_EVERY
        return asked & (self._living if is_recent and asked <= self._living else self.living())

    def _register(self) -> None:
        row = {
            "id": self.id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_started": process_started(os.getpid()) or 0.0,
        }
        self._store.add_worker(row, process_space(), os.environ.get("CUDA_VISIBLE_DEVICES"))
        if self.role is not Role.ALL:
            self._store.add_role(self.id, self.role.value)

    def trainers(self) -> set[str]:
        """Returns the ids of living workers that train, this one included if it does."""
        roles = self._store.roles()
        return {name for name in self.living() if roles.get(name) != Role.MEASURE.value}

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            with suppress(Exception):  # the run itself says what is wrong with the database
                if not self._store.heartbeat(self.id):
                    self._register()
                self._observer.living(self._store.workers())  # it has to look often to judge
