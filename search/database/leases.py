"""Leases: rights to work on a trial, a stage or a device, which end if they are not renewed.

A lease is a row with a counter. Its holder raises the counter all the time. An observer takes the
lease over when it has watched a counter that does not move for as long as the lease lasts. It
measures that with its own monotonic clock. So no clock of another host counts, and every clock may
jump. DynamoDB's lock client does the same
(https://aws.amazon.com/blogs/database/building-distributed-locks-with-the-dynamodb-lock-client/).

A lease whose process is gone from this host is free at once.

A holder that stands still for longer than its lease lasts loses it, and goes on until it asks. So
what it writes must be right also if another worker does the same: content-addressed files, or rows
that carry the token.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction, reading
from paretune.search.database.processes import process_space, process_started

LASTS = 60.0
"""Seconds that a lease lasts without a renewal."""

RENEWALS = 6
"""Renewals in the time that a lease lasts: a busy host may miss a few."""

LOOKS = 4
"""Fewest looks at a counter before its lease counts as over.

An observer may have stood still itself, like a paused container, and the holder with it."""

LONGEST_PAUSE = 1.0
"""Longest time between two looks of a worker that waits, in seconds."""

_log = logging.getLogger(__name__)


class LeaseBusy(Exception):
    """Another worker holds the lease.

    Attributes:
        row: Its row: name, worker, host.
    """

    def __init__(self, row: Row) -> None:
        super().__init__(f"{row['name']}: worker {row['worker']} on {row['host']} has it")
        self.row = row


class LeaseLost(Exception):
    """This process stood still for so long that another one took its lease over."""


class Lease:
    """A lease that this process holds.

    Attributes:
        name: What it gives the right to.
        token: Unique text of this holding of it.
    """

    def __init__(self, leases: Leases, name: str, token: str) -> None:
        self.name = name
        self.token = token
        self._leases = leases
        self._lost = threading.Event()

    @property
    def lost(self) -> bool:
        """Whether a renewal found that another process took it over; asks no database."""
        return self._lost.is_set()

    def still_held(self) -> bool:
        """Renews the lease now; returns False if another process took it over.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        if not self._leases.renew(self):
            self._lost.set()
        return not self.lost

    def refuse_loss(self) -> None:
        """Goes on only with the lease.

        Raises:
            LeaseLost: Another process took it over.
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        if not self.still_held():
            raise LeaseLost(f"{self.name}: another worker took it over, as this one stood still")


@dataclass
class _Watched:
    """A counter of another process.

    Attributes:
        sign: Token and counter.
        seconds: For how long this process has watched it stand still.
        last: Monotonic time of the last look.
    """

    sign: tuple[str, int]
    seconds: float
    last: float


class Leases(Tables):
    """The leases of one study database, for one worker; threads may share it.

    Args:
        engine: The database's engine.
        worker: Id of the worker, to show.
        lasts: Seconds that its leases last without a renewal.
        clock: Returns monotonic seconds.
    """

    def __init__(
        self,
        engine: sa.Engine,
        worker: str = "",
        lasts: float = LASTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(engine)
        self._worker = worker
        self._lasts = lasts
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._held: dict[str, Lease] = {}
        self._tried: dict[str, str] = {}  # name -> token that may be stored, if the link broke
        self._lock = threading.Lock()
        self._over = threading.Event()  # of the thread that renews

    @contextmanager
    def held(
        self,
        name: str,
        wait_s: float | None = None,
        waiting: Callable[[Row], None] = lambda row: None,
    ) -> Iterator[Lease]:
        """Holds a lease in a block; waits until it is free.

        Args:
            name: What to hold: "stage KEY", "trial 7", "device ssh://...".
            wait_s: Longest wait in seconds; None for no limit, 0 to try once.
            waiting: Called with the holder's row, once for each holder that it waits for.

        Raises:
            LeaseBusy: It was not free in this time.
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        lease = self._awaited(name, wait_s, waiting)
        try:
            yield lease
        finally:
            self.release(lease)

    def take(self, name: str) -> Lease | None:
        """Takes a lease if it is free or over; returns None if another process holds it.

        A lease of another host is over after some calls only, as each call is one look at it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        row = self.holder(name)
        if row is not None and not self._is_over(row):
            return None
        lease = Lease(self, name, uuid.uuid4().hex)
        self._tried[name] = lease.token
        with exclusive_transaction(self.engine) as connection:
            now = connection.execute(_of(name)).mappings().first()
            if now is not None and (row is None or _sign(now) != _sign(row)):
                return None
            connection.execute(sa.delete(tables.leases).where(tables.leases.c.name == name))
            connection.execute(sa.insert(tables.leases).values(self._columns(lease)))
        self._tried.pop(name, None)
        self._keep(lease)
        return lease

    def release(self, lease: Lease) -> None:
        """Gives a lease back; if the database does not answer, it ends by itself."""
        with self._lock:
            self._held.pop(lease.token, None)
            if not self._held:
                self._over.set()
        try:
            self._write(sa.delete(tables.leases).where(tables.leases.c.token == lease.token))
        except sa.exc.SQLAlchemyError as error:
            _log.info("lease %s is not given back: %s", lease.name, type(error).__name__)

    def renew(self, lease: Lease) -> bool:
        """Raises the counter of a lease; returns False if it has another holder.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database does not answer.
        """
        statement = (
            sa.update(tables.leases)
            .where(tables.leases.c.token == lease.token)
            .values(beats=tables.leases.c.beats + 1)
        )
        with self.engine.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def holder(self, name: str) -> Row | None:
        """Returns the row of a lease, also of one that is over; None if it is free."""
        with reading(self.engine) as connection:
            return connection.execute(_of(name)).mappings().first()

    def rows(self) -> list[Row]:
        """Returns the rows of all leases, also of those that are over."""
        with reading(self.engine) as connection:
            statement = sa.select(tables.leases).order_by(tables.leases.c.name)
            return list(connection.execute(statement).mappings())

    def _awaited(self, name: str, wait_s: float | None, waiting: Callable[[Row], None]) -> Lease:
        begun, pause, reported = self._clock(), 0.02, ""
        while True:
            lease = self.take(name)
            if lease is not None:
                return lease
            row = self.holder(name)
            if row is not None and wait_s is not None and self._clock() - begun >= wait_s:
                raise LeaseBusy(row)
            if row is not None and row["token"] != reported:
                reported = row["token"]
                waiting(row)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _is_over(self, row: Row) -> bool:
        """Looks at another process's lease; returns whether it may be taken over."""
        if row["token"] == self._tried.get(row["name"]):
            return True
        if row["space"] == process_space() and _is_gone(row):
            return True
        now = self._clock()
        with self._lock:
            watched = self._watched.get(row["name"])
            if watched is None or watched.sign != _sign(row):
                self._watched[row["name"]] = _Watched(_sign(row), 0.0, now)
                return False
            watched.seconds += min(now - watched.last, row["lasts"] / LOOKS)
            watched.last = now
            return bool(watched.seconds >= row["lasts"])

    def _columns(self, lease: Lease) -> dict[str, Any]:
        return {
            "name": lease.name,
            "worker": self._worker,
            "token": lease.token,
            "beats": 0,
            "lasts": self._lasts,
            "host": process_space().split()[0],
            "space": process_space(),
            "pid": os.getpid(),
            "process_started": process_started(os.getpid()) or 0.0,
            "taken": time.time(),
        }

    def _keep(self, lease: Lease) -> None:
        """Renews a lease from now on, by a thread that ends with the last one."""
        with self._lock:
            self._watched.pop(lease.name, None)
            self._held[lease.token] = lease
            if len(self._held) == 1:
                self._over = threading.Event()
                threading.Thread(
                    target=self._renew_all, args=(self._over,), daemon=True, name="paretune-leases"
                ).start()

    def _renew_all(self, over: threading.Event) -> None:
        while not over.wait(self._lasts / RENEWALS):
            with self._lock:
                held = [lease for lease in self._held.values() if not lease.lost]
            for lease in held:
                try:
                    if not lease.still_held() and lease.token in self._held:
                        _log.warning("lease %s: another worker took it over", lease.name)
                except Exception as error:  # away for now: the next renewal tries again
                    _log.info("lease %s is not renewed: %s", lease.name, type(error).__name__)


def _of(name: str) -> sa.Select[Any]:
    return sa.select(tables.leases).where(tables.leases.c.name == name)


def _sign(row: Row) -> tuple[str, int]:
    return row["token"], row["beats"]


def _is_gone(row: Row) -> bool:
    """Returns whether a process of this host is gone; its number may be another one's by now."""
    started = process_started(row["pid"])
    return started is None or bool(
        row["process_started"] and abs(started - row["process_started"]) > 0.5
    )
