"""Control: workers look between stages and epochs whether the user wants a pause or a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paretune.search.database.outage import no_waiting
from paretune.search.database.requests import Requests
from paretune.search.database.worker_rows import PAUSE, RUN, STOP
from paretune.search.measuring.host_lock import host_lock

LOOK_EVERY = 1.0
"""Shortest time between two looks at the database, in seconds."""

PATIENCE = 0.5
"""Seconds between two looks while the study pauses."""

PATIENCE_AWAY = 10.0
"""Further seconds until the next look after one that failed: a server that is away may take as
long to say so, and the training goes on meanwhile."""

PAUSED = "paused by the user; `paretune resume` lets the study go on"
GOES_ON = "the study goes on"


class StopRequested(BaseException):
    """The user wants the workers to leave; like an interrupt, no stage takes it for an error."""


class Control:
    """What the user asks of this worker.

    Attributes:
        held: Seconds that this worker has waited because of pauses.
        notify: Receives a text when a pause begins and ends.
        await_device: Receives what a trial waits for, and None when its device is free.

    Args:
        requests: The study's requests.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._wanted = RUN
        self._old: Mapping[str, Any] = {}
        self._looked = -LOOK_EVERY
        self.held = 0.0
        self.notify: Callable[[str], None] = lambda text: None
        self.await_device: Callable[[str | None], None] = lambda text: None

    def begin(self, joins: bool, options: Sequence[str] | None = None) -> None:
        """Forgets a stop that was for the processes that ran before, and mostly a pause, too.

        Args:
            joins: Whether it joins other processes; then a pause holds for this one as well.
            options: Options of the run, to write; None if it joins a run.
        """
        if options is not None:
            self._requests.write_options(options)
        request = self._requests.wanted()
        if not joins and request["wanted"] != RUN:
            self._requests.want(RUN)
        if not joins or request["wanted"] == STOP:
            self._old = request

    def between_stages(self) -> None:
        """Waits while the user wants a pause.

        Raises:
            StopRequested: The user wants the workers to leave.
        """
        self.between_epochs()
        if self._wanted == STOP:
            raise StopRequested

    def between_epochs(self) -> None:
        """Waits while the user wants a pause; a stop waits for the end of the stage."""
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._look()
        if self._wanted == PAUSE:
            self._wait()

    def _wait(self) -> None:
        begun = time.monotonic()
        self.notify(PAUSED)
        try:
            while self._wanted == PAUSE:
                time.sleep(PATIENCE)
                host_lock.breathe()  # other studies on this host measure meanwhile
                self._look()
        finally:
            self.held += time.monotonic() - begun
        if self._wanted == RUN:
            self.notify(GOES_ON)

    def _look(self) -> None:
        try:
            with no_waiting(self._requests.engine):
                request = self._requests.wanted()
            self._wanted = RUN if request == self._old else request["wanted"]
        except Exception:  # the run itself says what is wrong with the database, when it writes
            self._looked = time.monotonic() + PATIENCE_AWAY
            return
        self._looked = time.monotonic()
