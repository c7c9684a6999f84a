"""The tables of workers and hosts: which process runs trials, and on which machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables


class Workers(Tables):
    """The tables of hosts and workers."""

    def add_host(self, digest: str, facts: Mapping[str, Any]) -> None:
        """Writes facts about a host that measures, unless the host is stored already."""
        with self.engine.connect() as connection:
            stored = connection.execute(
                sa.select(tables.hosts.c.digest).where(tables.hosts.c.digest == digest)
            ).first()
        if stored is None:
            try:
                self._write(sa.insert(tables.hosts).values(digest=digest, facts=facts))
            except sa.exc.IntegrityError:
                return

    def add_worker(self, row: Mapping[str, Any]) -> None:
        """Adds a worker that starts."""
        self._write(sa.insert(tables.workers).values(dict(row)))

    def heartbeat(self, worker: str) -> None:
        """Notes that a worker is alive now."""
        table = tables.workers
        self._write(sa.update(table).where(table.c.id == worker).values(heartbeat=time.time()))

    def remove_worker(self, worker: str) -> None:
        """Removes a worker that ends."""
        self._write(sa.delete(tables.workers).where(tables.workers.c.id == worker))

    def workers(self) -> list[Row]:
        """Returns the rows of the workers that have not ended properly, alive or dead."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(tables.workers)).mappings())
