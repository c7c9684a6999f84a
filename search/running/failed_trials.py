"""The failed trials that a run tries again: `paretune run --retry-failed`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from paretune.search.database.retries import Retries
from paretune.search.running.recovery import Task, task_of
from paretune.search.views.words import list_text

if TYPE_CHECKING:
    from paretune.search.database.store import Row
    from paretune.search.trial.open_study import OpenStudy


class FailedTrials:
    """The trials that had failed when this run began. Each is tried again once.

    Every worker of the run has the same trials; the first one that opens a trial runs it.

    Args:
        study: The open study.
        wanted: Whether failed trials are tried again.
    """

    def __init__(self, study: OpenStudy, wanted: bool) -> None:
        self._retries = Retries(study.engine)
        self._ended = self._retries.failed() if wanted else {}
        self._queue = deque(self._ended)

    def text(self) -> str:
        """Returns what is tried again, in words."""
        numbers = list(self._ended)
        if not numbers:
            return "no trial has failed: there is nothing to try again"
        noun = "trial" if len(numbers) == 1 else "trials"
        return f"failed before, tried again: {noun} {list_text(numbers)}"

    def is_waiting(self, row: Row) -> bool:
        """Returns whether a row shows the end before the retry, of which nothing is learned."""
        return bool(self._ended.get(row["number"], -1.0) == row["finished"])

    def open_next(self, worker: str) -> Task | None:
        """Opens the next trial; returns None if there is none.

        Args:
            worker: Id of this worker.
        """
        while self._queue:
            number = self._queue.popleft()
            row = self._retries.reopen(number, self._ended[number], worker)
            if row is not None:
                return task_of(row, taken_over=False)
        return None

    def ended(self, number: int) -> None:
        """Gives the new result of a trial to its repeats."""
        self._retries.copy_to_repeats(number)
