"""Writes what a worker does to the database, for `paretune status` and the page."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from paretune.search.database.activities import Activities
from paretune.search.trial.events import (
    CalmAwaited,
    DeviceAwaited,
    EpochDone,
    Event,
    RepeatEnded,
    Reporter,
    StageStarted,
    StepDone,
    TrialEnded,
    TrialPaused,
    TrialStarted,
    TrialTrained,
)

EVERY = 1.0
"""Shortest time between two writes, in seconds."""

LONGEST_CURVE = 200
"""Most points of a learning curve; of a longer one every second, fourth, ... point is kept."""

PATIENCE = 2.0
"""Longest wait at the end for a write that has begun, in seconds."""

Point = tuple[int, float | None, float | None]
"""Epoch, loss and score."""


class Activity:
    """Reports events on, and writes the latest of them; use it as a context.

    A thread writes, so that the trial does not wait for the database. If the database does not
    answer, nothing is written.

    Args:
        activities: The table.
        worker: Id of this worker.
        report: Receives every event, too.
    """

    def __init__(self, activities: Activities, worker: str, report: Reporter) -> None:
        self._activities, self._worker, self._report = activities, worker, report
        self._row: dict[str, Any] = {}
        self._awaiting: str | None = None
        self._stage: str | None = None  # the stage in which the device is awaited
        self._curve = _Curve()
        self._changed, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True, name="paretune-activity")

    def __enter__(self) -> Activity:
        """Starts to write."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the row of this worker."""
        self._over.set()
        self._changed.set()
        self._thread.join(PATIENCE)
        with suppress(Exception):
            self._activities.remove(self._worker)

    def __call__(self, event: Event) -> None:
        """Notes an event; the thread writes it."""
        self._report(event)
        match event:
            case TrialStarted(trial):
                self._curve = _Curve()
                self._note(trial=trial, started=time.time(), **_no_stage())
            case StageStarted(trial, stage):
                self._curve = _Curve()
                self._note(**{**_no_stage(), "trial": trial, "stage": stage})
            case EpochDone(trial, stage, epoch, epochs, loss, score):
                self._curve.add(epoch, loss, score)
                self._note(
                    trial=trial, stage=stage, epoch=epoch, epochs=epochs, loss=loss, score=score
                )
            case StepDone(trial, stage, step, values):
                reported = {"loss": values.get("loss"), "score": _score(values)}
                self._curve.add(step, **reported)
                self._note(trial=trial, stage=stage, epoch=step, **reported)
            case DeviceAwaited(text):
                self._await(text)
            case CalmAwaited(wait):
                self._await(wait.reason if wait else None)
            case TrialEnded(trial) | TrialPaused(trial) | TrialTrained(trial) | RepeatEnded(trial):
                self._curve = _Curve()
                self._note(**{**_no_stage(), "trial": trial})

    def _await(self, text: str | None) -> None:
        """Shows a wait for a device or for calm in place of the stage, until its end."""
        if text == self._awaiting:
            return
        if self._awaiting is None:
            self._stage = self._row.get("stage")
        self._awaiting = text
        self._note(stage=self._stage if text is None else text)

    def _note(self, **columns: Any) -> None:
        row = {"started": time.time(), **self._row, **columns, "updated": time.time()}
        self._row = {
            **row,
            "curve": self._curve.points(),
        }  # a new mapping: the thread may read the old one
        self._changed.set()

    def _write(self) -> None:
        while True:
            self._changed.wait()
            if self._over.is_set():
                return
            self._changed.clear()
            with suppress(Exception):  # the run itself says what is wrong with the database
                self._activities.write(self._worker, self._row)
            self._over.wait(EVERY)


class _Curve:
    """The learning curve of the present stage, and always its last point."""

    def __init__(self) -> None:
        self._kept: list[Point] = []
        self._stride = 1
        self._count = 0
        self._last: Point | None = None

    def add(self, epoch: int, loss: float | None, score: float | None) -> None:
        """Adds a point."""
        self._last = (epoch, loss, score)
        if self._count % self._stride == 0:
            self._kept.append(self._last)
        self._count += 1
        if len(self._kept) >= LONGEST_CURVE:
            self._kept, self._stride = self._kept[::2], 2 * self._stride

    def points(self) -> list[Point]:
        """Returns a copy of the points."""
        has_last = self._last is None or (bool(self._kept) and self._kept[-1] == self._last)
        return [*self._kept, *([] if has_last or self._last is None else [self._last])]


def _no_stage() -> dict[str, None]:
    return dict.fromkeys(("stage", "epoch", "epochs", "loss", "score"))


def _score(values: Any) -> float | None:
    """Returns the first reported value that is no loss."""
    return next((value for name, value in values.items() if name != "loss"), None)
