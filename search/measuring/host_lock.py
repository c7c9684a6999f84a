"""The host lock: while one Paretune process times a network, all others on the host pause.

It covers the processes of one user. It consists of two lock files; the kernel releases a lock with
the process that holds it:

    gate    a measuring process holds it exclusively, so that no new work begins
    room    working processes hold it shared, a measuring process exclusively; the latter starts
            when the room is empty

A working process checks the gate between its steps, which takes microseconds, and leaves the room
while another process measures. A measuring process waits for work without steps, such as an export.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows no process waits for another
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0
"""Longest wait for an empty room, in seconds. Then the measurement starts while others work.

Otherwise a single long step could delay it for hours.
"""

LOOK_EVERY = 0.002
"""Seconds between two attempts to take the room."""


class HostLock:
    """The locks of one process.

    Only one thread of a process may use it.

    Args:
        folder: Folder of the lock files; None for the folder of temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._owner = -1  # process that opened the files; a forked child opens its own
        self._gate = self._room = -1
        self._works = 0
        self._measures = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Holds the room shared during the body; waits first while another process measures."""
        if not self._open() or self._works or self._measures:
            self._works += 1  # work within work
            try:
                yield
            finally:
                self._works -= 1
            return
        self._enter()
        self._works = 1
        try:
            yield
        finally:
            self._works = 0
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def breathe(self) -> None:
        """Leaves the room between two steps of work, while another process measures."""
        if not self._works or self._measures or not self._open():
            return
        if _taken(self._gate, fcntl.LOCK_SH):
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            return
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._enter()

    @contextmanager
    def measuring(self, patience: float = PATIENCE) -> Iterator[bool]:
        """Keeps the room empty during the body.

        Args:
            patience: Longest wait for an empty room, in seconds.

        Yields:
            Whether no other Paretune process works.
        """
        if not self._open() or self._measures:
            yield bool(self._measures)
            return
        worked, self._works = self._works, 0
        if worked:
            fcntl.flock(self._room, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        self._measures = 1
        try:
            yield self._emptied(patience)
        finally:
            self._measures = 0
            fcntl.flock(self._room, fcntl.LOCK_UN)
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            if worked:
                self._enter()
                self._works = worked

    def _enter(self) -> None:
        """Takes the room for work, as soon as no process measures."""
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        fcntl.flock(self._room, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    def _emptied(self, patience: float) -> bool:
        until = time.monotonic() + patience
        while not _taken(self._room, fcntl.LOCK_EX):
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_EVERY)
        return True

    def _open(self) -> bool:
        """Opens the lock files in this process; returns False if that is impossible."""
        if fcntl is None:
            return False
        if self._owner != os.getpid():
            folder = self._folder or Path(tempfile.gettempdir())
            user = os.getuid()
            try:
                self._gate, self._room = (
                    os.open(folder / f"paretune-{user}-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
                    for name in ("gate", "room")
                )
            except OSError:  # a full or read-only disk must not stop the work
                self._gate = -1
            self._owner, self._works, self._measures = os.getpid(), 0, 0
        return self._gate >= 0


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


host_lock = HostLock()
"""The lock of this process."""
