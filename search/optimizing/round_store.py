"""The rounds of an optimization, kept in the database of its study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from paretune.search.database.engine import open_engine
from paretune.search.database.reader import study_reader
from paretune.search.database.rounds import Rounds
from paretune.search.database.store import Store
from paretune.search.errors import UserError
from paretune.search.optimizing.round_log import RoundLog
from paretune.search.study.records import StudyRecord
from paretune.search.trial.events import Event, Reporter, TrialEnded

T = TypeVar("T")


class RoundStore:
    """The rounds of one study.

    Args:
        url: Storage URL of the study's database, which need not exist yet.

    Attributes:
        logs: The rounds in order.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.logs: list[RoundLog] = [RoundLog.from_json(content) for content in self._stored()]

    def _stored(self) -> tuple[Mapping[str, Any], ...]:
        try:
            with study_reader(self._url) as reader:
                return tuple(reader.rounds())
        except UserError:  # no database yet; the run itself says what is wrong with another one
            return ()

    @property
    def has_baseline(self) -> bool:
        """Whether round 0 is done."""
        return bool(self.logs) and self.logs[0].state == "done"

    @property
    def last(self) -> RoundLog:
        """The last round."""
        return self.logs[-1]

    def write(self, log: RoundLog) -> RoundLog:
        """Writes a round, in the place of its earlier state; returns it."""
        self.logs = [*(each for each in self.logs if each.number != log.number), log]
        engine = open_engine(self._url, create=True)
        try:
            Rounds(engine).write(log.number, log.to_json())
        finally:
            engine.dispose()
        return log

    def noting(
        self, log: RoundLog, seconds: Callable[[], float], run: Callable[[Reporter], T]
    ) -> T:
        """Runs trials; writes the seconds of their round after each of them, and at the end.

        Args:
            log: The round.
            seconds: Returns the seconds that it took so far.
            run: Runs the trials, and reports to the reporter that it gets.
        """

        def note() -> None:
            self.write(replace(log, seconds=seconds()))

        note()
        try:
            return run(TrialCounter(note))
        finally:
            note()

    def record(self) -> StudyRecord:
        """Returns the study with the measurements of the search."""
        with study_reader(self._url) as reader:
            return reader.record()

    def set_end(self, reason: str) -> None:
        """Writes why the study ended."""
        engine = open_engine(self._url)
        try:
            Store(engine).update_study(end_reason=reason)
        finally:
            engine.dispose()


class TrialCounter:
    """A reporter that calls a function after each trial.

    Args:
        ended: The function.
    """

    def __init__(self, ended: Callable[[], object]) -> None:
        self._ended = ended

    def __call__(self, event: Event) -> None:
        """Receives an event."""
        if isinstance(event, TrialEnded):
            self._ended()
