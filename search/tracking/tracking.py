"""Logs a study to its trackers while it runs. A tracker that is away never stops a study."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType

from paretune.search.database.engine import open_engine
from paretune.search.database.tracked import Tracked
from paretune.search.errors import UserError
from paretune.search.study.spec import StudySpec
from paretune.search.tracking.sender import Sender
from paretune.search.tracking.tracker import make_tracker
from paretune.search.trial.events import EpochDone, Event, Notice, Reporter, TrialEnded

SHORTEST_PAUSE = 2.0
"""Shortest time between two attempts to send, in seconds."""

SHARE = 0.1
"""Largest share of the time in which a sender reads the database and sends."""

LONGEST_PAUSE = 60.0
"""Longest time between two attempts while a tracker is away, in seconds."""

LAST_SECONDS = 60.0
"""Longest wait at the end of a run for a tracker that receives nothing, in seconds."""

STOPPED_SECONDS = 5.0
"""The same if the user has stopped the run."""


class EpochLog:
    """Writes each epoch of a trial to the database, where a sender finds it.

    Args:
        spec: The study.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._storage = spec.storage
        self._tracked: Tracked | None = None

    def __call__(self, event: Event) -> None:
        """Writes an epoch; it is lost if the database does not answer."""
        if isinstance(event, EpochDone):
            values = {"loss": event.loss, "score": event.accuracy, "seconds": event.seconds}
            with suppress(Exception):
                self._table().add_epoch(event.trial, event.stage, event.epoch, values)

    def _table(self) -> Tracked:
        if self._tracked is None:  # the run has created the database by now
            self._tracked = Tracked(open_engine(self._storage))
            self._tracked.make_tables()
        return self._tracked


class Tracking:
    """A reporter that sends the study to its trackers from threads; use it as a context.

    Args:
        spec: The study.
        report: Receives a notice when a tracker is away, or answers again.

    Raises:
        UserError: A tracker's package is missing, or an option is wrong.
    """

    def __init__(self, spec: StudySpec, report: Reporter) -> None:
        self._epochs = EpochLog(spec)
        self._senders = [
            _SenderThread(sender_of(spec, index), spec.trackers[index].name, report)
            for index in range(len(spec.trackers))
        ]
        self._report, self._spec = report, spec

    def __enter__(self) -> Tracking:
        """Starts to send."""
        for sender in self._senders:
            sender.start()
        return self

    def __call__(self, event: Event) -> None:
        """Notes an epoch, and wakes the senders at the end of a trial."""
        self._epochs(event)
        if isinstance(event, TrialEnded):
            for sender in self._senders:
                sender.wake()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Sends what is left, while the trackers take it; says what is missing then."""
        for sender in self._senders:
            sender.end(ended=kind is None)
        for sender in self._senders:
            rest = sender.join(LAST_SECONDS if kind is None else STOPPED_SECONDS)
            if rest is not None:
                self._report(
                    Notice(
                        f"{sender.name}: {rest}; the same command, or `paretune track "
                        f"{self._spec.file.name}`, sends what is missing"
                    )
                )


def sender_of(spec: StudySpec, index: int) -> Sender:
    """Returns the sender of one of a study's trackers.

    Raises:
        UserError: Its package is missing, or an option is wrong.
    """
    selection = spec.trackers[index]
    files = bool(selection.params["artifacts"])
    return Sender(make_tracker(selection, spec), spec, selection.name, files)


class _SenderThread:
    """Sends to one tracker whenever it is woken, and again later if the tracker is away."""

    def __init__(self, sender: Sender, name: str, report: Reporter) -> None:
        self.name = name
        self._sender, self._report = sender, report
        self._woken, self._over = threading.Event(), threading.Event()
        self._completed = False
        self._away: str | None = None
        self._thread = threading.Thread(
            target=self._run, daemon=True, name=f"paretune-track-{name}"
        )

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._woken.set()

    def end(self, ended: bool) -> None:
        """Asks for a last attempt."""
        self._completed = ended
        self._over.set()
        self._woken.set()

    def join(self, seconds: float) -> str | None:
        """Waits for the last attempt; returns what is missing then, or None.

        Args:
            seconds: Longest wait for a tracker that receives nothing.
        """
        since = time.monotonic()
        while self._thread.is_alive():
            rest = max(since, self._sender.progress) + seconds - time.monotonic()
            if rest <= 0:
                break
            self._thread.join(rest)
        if not self._thread.is_alive() and self._away is None:
            return None
        reason = self._away or "it does not answer in time"
        with suppress(Exception):
            return f"{self._sender.missing()} trials are not sent ({reason})"
        return reason

    def _run(self) -> None:
        pause = SHORTEST_PAUSE
        while not self._over.is_set():
            self._woken.wait(pause if self._away else None)
            self._woken.clear()
            if self._over.is_set():
                break
            began = time.monotonic()
            away = self._attempt(ended=False)
            spent = time.monotonic() - began
            pause = min(2 * pause, LONGEST_PAUSE) if away else SHORTEST_PAUSE
            self._over.wait(max(pause, spent / SHARE))
        self._attempt(ended=self._completed)

    def _attempt(self, ended: bool) -> bool:
        """Sends what is missing; returns whether the tracker is away, of which it tells once."""
        try:
            self._sender.send(ended)
        except UserError as error:  # there is no database yet, or it is away as well
            self._away = str(error)
            return True
        except Exception as error:
            text = " ".join(str(error).split())[:200]
            if self._away is None and not ended:
                self._report(
                    Notice(f"{self.name} is away ({text}); the study goes on, and sends later")
                )
            self._away = text
            return True
        if self._away is not None and not ended:
            self._report(Notice(f"{self.name} answers again"))
        self._away = None
        return False
