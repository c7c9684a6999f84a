"""Workers: who runs trials, and on which host."""

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
        """Facts about a host that measures; known ones are left alone."""
        with self.engine.connect() as connection:
            known = connection.execute(
                sa.select(tables.hosts.c.digest).where(tables.hosts.c.digest == digest)
            ).first()
        if known is None:
            try:
                self._write(sa.insert(tables.hosts).values(digest=digest, facts=facts))
            except sa.exc.IntegrityError:
                return

    def add_worker(self, row: Mapping[str, Any]) -> None:
        """A worker that lives from now on."""
        self._write(sa.insert(tables.workers).values(dict(row)))

    def heartbeat(self, worker: str) -> None:
        """This worker lives."""
        self._write(
            sa.update(tables.workers).where(tables.workers.c.id == worker).values(heartbeat=time.time())
        )

    def remove_worker(self, worker: str) -> None:
        """A worker that ends."""
        self._write(sa.delete(tables.workers).where(tables.workers.c.id == worker))

    def workers(self) -> list[Row]:
        """Rows of the workers that did not end properly, living or dead."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(tables.workers)).mappings())
