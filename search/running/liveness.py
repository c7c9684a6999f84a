"""Whether a worker's process is alive.

A worker of this machine lives as long as its process. Of another machine only the heartbeats are
seen. Clocks jump and differ, so an observer counts its own seconds in which a heartbeat has not
changed, and never compares two clocks.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.database.processes import process_space, process_started

if TYPE_CHECKING:
    from paretune.search.database.store import Row

BEAT = 10.0
"""Seconds between two heartbeats."""

SILENCE = 180.0
"""A worker of another machine counts as dead after this many seconds without a heartbeat.

Generous: a busy process or a slow network must not lose its trial."""


def lives(worker: Mapping[str, Any] | Row) -> bool:
    """Returns whether a worker lives, at a single look.

    Args:
        worker: Its row. `now` in it is the clock that wrote the heartbeat, if all hosts share one.
    """
    if is_here(worker):
        return has_process(worker)
    now = worker.get("now") or time.time()
    return bool(now - worker["heartbeat"] < SILENCE)


def is_here(worker: Mapping[str, Any] | Row) -> bool:
    """Returns whether a worker's process is one of this machine, and can be seen from here."""
    machine = worker.get("machine")
    if machine:
        return bool(machine == process_space())
    return bool(worker["host"] == socket.gethostname())


def has_process(worker: Mapping[str, Any] | Row) -> bool:
    """Returns whether the process of a worker of this machine is there."""
    started = process_started(worker["pid"])
    if started is None:
        return False
    # Another process may have the dead worker's number; only its start time differs.
    return not worker["process_started"] or abs(started - worker["process_started"]) < 0.5


class Observer:
    """Watches the heartbeats of workers, by the monotonic clock of this process.

    Time in which it does not look, or the database is away, counts as one heartbeat at most: then
    a worker cannot be heard.

    Args:
        clock: Returns seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        self._heard: dict[str, tuple[float, float]] = {}  # heartbeat, seconds of silence since
        self._lock = threading.Lock()

    def living(self, workers: Iterable[Mapping[str, Any] | Row]) -> set[str]:
        """Returns the ids of the workers that live.

        Args:
            workers: The rows of all workers, as they are now.
        """
        with self._lock:
            now = self._clock()
            passed, self._looked = min(now - self._looked, BEAT), now
            heard, living = {}, set()
            for worker in workers:
                name, beat = worker["id"], worker["heartbeat"]
                last, silence = self._heard.get(name, (None, 0.0))
                heard[name] = (beat, silence + passed if beat == last else 0.0)
                if has_process(worker) if is_here(worker) else heard[name][1] < SILENCE:
                    living.add(name)
            self._heard = heard
            return living
