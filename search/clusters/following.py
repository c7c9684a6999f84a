"""Follows a study in its database, and reports what its workers do as one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.front.growth import FrontTracker
from paretune.search.running.recovery import result_of
from paretune.search.trial.events import Reporter, RunEnded, RunStarted, TrialEnded

if TYPE_CHECKING:
    from paretune.search.database.store import Store
    from paretune.search.running.stopping import Ending
    from paretune.search.study.records import Axis
    from paretune.search.study.spec import StudySpec


class Follower:
    """Reports the trials of a study's workers on any host.

    Args:
        spec: The study.
        store: Its database.
        axes: Its objectives.
        report: Receives the events.
    """

    def __init__(
        self, spec: StudySpec, store: Store, axes: tuple[Axis, ...], report: Reporter
    ) -> None:
        self._spec, self._store, self._axes, self._report = spec, store, axes, report
        self._highest = -1
        self._missing: set[int] = set()
        self._growth: FrontTracker | None = None
        self._reference: Mapping[str, float] = {}
        self._done = 0
        self._silent = False

    def begin(self, where: str) -> None:
        """Takes in the trials of earlier runs, and reports the beginning of this one.

        Args:
            where: The cluster, in words.
        """
        self._silent = True
        self.update()
        self._silent = False
        spec = self._spec
        self._report(
            RunStarted(spec.name, self._axes, spec.trials, self._done, spec.seconds, where)
        )

    def update(self) -> int:
        """Reports the trials that have ended since the last look; returns their number."""
        if self._store.study() is None:
            return 0
        ended = 0
        for row in self._store.new_trials(self._highest, self._missing):
            number = row["number"]
            self._missing.update(range(self._highest + 1, number + 1))
            self._highest = max(self._highest, number)
            if row["state"] in OPEN_STATES:
                continue
            self._missing.discard(number)
            self._take_in(row)
            ended += 1
        return ended

    def end(self, ending: Ending) -> None:
        """Reports the last trials, and why the run ended."""
        self.update()
        self._report(RunEnded(ending.reason, self._done, self._spec.trials))

    def _take_in(self, row: Row) -> None:
        number, result = row["number"], result_of(row)
        counts = number > 0 and result.repeat_of is None
        self._done += counts and row["variant_of"] is None
        if number == 0:
            self._reference = result.values
            self._growth = None
        grew = bool(
            (counts or number == 0) and result.feasible and self._front.add(number, result.values)
        )
        if not self._silent:
            self._end_trial(row, grew)

    def _end_trial(self, row: Row, grew: bool) -> None:
        number, result = row["number"], result_of(row)
        duration = (row["finished"] or 0.0) - row["started"]
        self._report(
            TrialEnded(
                trial=number,
                result=result.with_seconds(result.seconds, duration),
                baseline=self._reference if number else result.values,
                done=self._done,
                grew=grew and number > 0,
                front=self._front.front if number else {},
                hypervolume=self._front.hypervolume if number else None,
                variant_of=row["variant_of"],
            )
        )

    @property
    def _front(self) -> FrontTracker:
        if self._growth is None:
            stored = self._store.study()
            classes = stored["info"].get("classes") if stored else None
            self._growth = FrontTracker(self._axes, self._reference or None, classes)
        return self._growth
