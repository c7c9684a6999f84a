"""HostLock: while one process of ours measures time, the others of this host and user stand still.

Two lock files, whose locks the kernel drops with the process that holds them:

    gate    a measurer holds it alone, so that no work passes any more
    room    work holds it shared, a measurer alone: it begins when the room is empty

Work looks at the gate between its steps, which takes microseconds, and steps out while somebody
measures. Work that has no steps (an export, a forward pass over a data part) is waited for.
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
except ImportError:  # Windows: nobody waits for anybody there
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0
"""Seconds that a measurer waits for an empty room. Then it measures beside whatever is there:
something that takes so long without a step would else keep it waiting for hours."""

LOOK_EVERY = 0.002
"""Seconds between two looks of a measurer."""


class HostLock:
    """The locks of one process.

    Not for several threads at once: who works and who measures is one thread of a process.

    Args:
        folder: Where the lock files lie; the folder for temporary files when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._owner = -1  # of the open files: a forked child has to open its own
        self._gate = self._room = -1
        self._works = 0
        self._measures = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Holds the room shared while the body works; waits first while somebody measures."""
        if not self._opened() or self._works or self._measures:
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
        """Between two steps of work: steps out of the room while somebody measures."""
        if not self._works or self._measures or not self._opened():
            return
        if _taken(self._gate, fcntl.LOCK_SH):
            fcntl.flock(self._gate, fcntl.LOCK_UN)
            return
        fcntl.flock(self._room, fcntl.LOCK_UN)
        self._enter()

    @contextmanager
    def measuring(self, patience: float = PATIENCE) -> Iterator[bool]:
        """Keeps the room empty while the body measures.

        Args:
            patience: Seconds to wait for an empty room, at most.

        Yields:
            Whether it is empty, as far as ours are concerned.
        """
        if not self._opened() or self._measures:
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
        """Takes the room for work, once nobody measures."""
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

    def _opened(self) -> bool:
        """Opens the lock files in this process; False where there can be none."""
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
            except OSError:  # a full or a read-only disk is no reason not to work
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
"""This process's."""
