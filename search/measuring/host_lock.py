"""The host lock: while one Paretune process times a network, all others on the host pause.

It covers the processes of one user. It consists of lock files; the kernel releases a lock with
the process that holds it:

    gate    a measuring process holds it exclusively, so that no new work begins
    room    working processes hold it shared, a measuring process exclusively; the latter starts
            when the room is empty

A working process checks the gate between its steps, which takes microseconds, and leaves the room
while another process measures. A measuring process waits for work without steps, such as an export.

Both waits of a measuring process have a limit (`objectives.calm`). A process that measures without
the gate disturbs the one that holds it. It says so by two more signs, so that the other one does
not take itself to be alone:

    gate    gets a new time of change when such a measurement begins
    hurry   such a measurement holds it shared until its end
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from paretune.objectives.calm import calm

try:
    import fcntl
except ImportError:  # on Windows no process waits for another
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0
"""Longest wait for an empty room, in seconds. Then the measurement starts while others work.

Otherwise a single long step could delay it for hours.
"""

QUEUE_PATIENCE = 600.0
"""Longest wait for the measurements of other processes, in seconds. These take turns, so that
waiting pays more than measuring at the same time."""

LOOK_EVERY = 0.002
"""Seconds between two attempts to take the room."""

OTHERS_MEASURE = "waits while another Paretune process of this host measures"
OTHERS_WORK = "waits until the other Paretune processes of this host pause"


class Solitude:
    """What a measuring process knows of other Paretune processes on its host.

    Args:
        is_alone: Tells whether none has worked or measured meanwhile; None if that is unknown.
    """

    def __init__(self, is_alone: Callable[[], bool | None]) -> None:
        self._is_alone = is_alone

    @property
    def value(self) -> bool | None:
        """Whether no other process has worked or measured until now; None if that is unknown."""
        return self._is_alone()

    def __bool__(self) -> bool:
        """Tells whether the process was alone until now, as far as it knows."""
        return bool(self._is_alone())


UNKNOWN = Solitude(lambda: None)
"""What a process knows without locks."""


class HostLock:
    """The locks of one process.

    Only one thread of a process may use it.

    Args:
        folder: Folder of the lock files; None for the folder of temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._owner = -1  # process that opened the files; a forked child opens its own
        self._gate = self._room = self._hurry = -1
        self._works = 0
        self._measures = 0
        self._solitude = UNKNOWN

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
    def measuring(self, patience: float = PATIENCE) -> Iterator[Solitude]:
        """Keeps the room empty during the body.

        Args:
            patience: Longest wait for an empty room, in seconds.

        Yields:
            Whether no other Paretune process works or measures; to be asked after the measurement.
        """
        if not self._open() or self._measures:
            yield self._solitude
            return
        worked, self._works = self._works, 0
        if worked:
            fcntl.flock(self._room, fcntl.LOCK_UN)
        first = self._first_in_queue()
        self._measures = 1
        try:
            alone = first and self._emptied(patience)
            changed = os.fstat(self._gate).st_mtime_ns
            hurried = not _taken(self._hurry, fcntl.LOCK_EX if first else fcntl.LOCK_SH)
            if first and not hurried:
                fcntl.flock(self._hurry, fcntl.LOCK_UN)
            self._solitude = Solitude(
                lambda: alone and not hurried and os.fstat(self._gate).st_mtime_ns == changed
            )
            yield self._solitude
        finally:
            self._measures = 0
            self._solitude = UNKNOWN
            for lock in (self._room, self._gate, self._hurry):
                fcntl.flock(lock, fcntl.LOCK_UN)
            if worked:
                self._enter()
                self._works = worked

    def _enter(self) -> None:
        """Takes the room for work, as soon as no process measures."""
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        fcntl.flock(self._room, fcntl.LOCK_SH)
        fcntl.flock(self._gate, fcntl.LOCK_UN)

    def _first_in_queue(self) -> bool:
        """Takes the gate; returns False if others measure for too long, which then know of it."""
        seconds = calm.limit(QUEUE_PATIENCE)
        if _taken_within(self._gate, fcntl.LOCK_EX, seconds, OTHERS_MEASURE):
            return True
        os.utime(self._gate)
        return False

    def _emptied(self, patience: float) -> bool:
        return _taken_within(self._room, fcntl.LOCK_EX, calm.limit(patience), OTHERS_WORK)

    def _open(self) -> bool:
        """Opens the lock files in this process; returns False if that is impossible."""
        if fcntl is None:
            return False
        if self._owner != os.getpid():
            folder = self._folder or Path(tempfile.gettempdir())
            user = os.getuid()
            try:
                self._gate, self._room, self._hurry = (
                    os.open(folder / f"paretune-{user}-{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
                    for name in ("gate", "room", "hurry")
                )
            except OSError:  # a full or read-only disk must not stop the work
                self._gate = -1
            self._owner, self._works, self._measures = os.getpid(), 0, 0
        return self._gate >= 0


def _taken_within(lock: int, kind: int, seconds: float, reason: str) -> bool:
    """Takes a lock within some seconds, which are shown; returns whether it did."""
    if _taken(lock, kind):
        return True
    with calm.waiting(reason, seconds) as wait:
        while wait.goes_on(LOOK_EVERY):
            if _taken(lock, kind):
                return True
    return False


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


host_lock = HostLock()
"""The lock of this process."""
