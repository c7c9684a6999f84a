"""The tables of workers and hosts: which process runs trials, and on which machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, reading


class Workers(Tables):
    """The tables of hosts and workers."""

    def add_host(self, digest: str, facts: Mapping[str, Any]) -> None:
        """Writes facts about a host that measures, unless the host is stored already."""
        with reading(self.engine) as connection:
            stored = connection.execute(
                sa.select(tables.hosts.c.digest).where(tables.hosts.c.digest == digest)
            ).first()
        if stored is None:
            try:
                self._write(sa.insert(tables.hosts).values(digest=digest, facts=facts))
            except sa.exc.IntegrityError:
                return

    def add_worker(
        self, row: Mapping[str, Any], machine: str | None = None, gpu: str | None = None
    ) -> None:
        """Adds a worker that starts, or that another one has taken for dead; replaces its row.

        Args:
            row: Its id, host, process and the start of that process.
            machine: Where the process runs; None if that is not known.
            gpu: The GPUs that it may use, if a variable says so.
        """
        with self.engine.begin() as connection:
            _remove(connection, row["id"])
            beat = {"heartbeat": time.time(), **row, **_server_time(connection)}
            connection.execute(sa.insert(tables.workers), beat)
            if machine is not None:
                identity = {"worker": row["id"], "machine": machine, "gpu": gpu}
                started = beat["heartbeat"]
                connection.execute(sa.insert(tables.machines), {**identity, "started": started})

    def heartbeat(self, worker: str) -> bool:
        """Notes that a worker is alive now.

        Returns:
            False if it has no row any more, as another worker took it for dead.
        """
        table = tables.workers
        with self.engine.begin() as connection:
            beat = {"heartbeat": time.time(), **_server_time(connection)}
            update = sa.update(table).where(table.c.id == worker).values(beat)
            return bool(connection.execute(update).rowcount)

    def add_role(self, worker: str, role: str) -> None:
        """Writes that a worker only trains, or only measures."""
        self._write(sa.insert(tables.roles).values(worker=worker, role=role))

    def roles(self) -> dict[str, str]:
        """Returns worker -> role, of the workers that run only some kinds of stages."""
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(tables.roles.c.worker, tables.roles.c.role))
            return {worker: role for worker, role in rows}

    def remove_worker(self, worker: str) -> None:
        """Removes a worker that ends."""
        with self.engine.begin() as connection:
            _remove(connection, worker)

    def workers(self) -> list[Row]:
        """Returns the rows of the workers that have not ended properly, alive or dead."""
        with reading(self.engine) as connection:
            return list(connection.execute(_WORKERS).mappings())


def _remove(connection: sa.Connection, worker: str) -> None:
    connection.execute(sa.delete(tables.workers).where(tables.workers.c.id == worker))
    for table in (tables.machines, tables.roles, tables.claims):
        connection.execute(sa.delete(table).where(table.c.worker == worker))


def _server_time(connection: sa.Connection) -> dict[str, float]:
    """Returns the heartbeat by the server's clock, which all hosts share; empty on SQLite."""
    if connection.dialect.name != "postgresql":
        return {}
    now = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
    return {"heartbeat": float(now)}


_WORKERS = sa.select(tables.workers, tables.machines.c.machine).select_from(
    sa.outerjoin(tables.workers, tables.machines, tables.workers.c.id == tables.machines.c.worker)
)
