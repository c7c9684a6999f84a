"""Runs sessions of trials for the rounds of one optimization."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.search.interface.session import SessionEnd, run_session
from paretune.search.optimizing.working_study import WorkingStudy
from paretune.search.study.spec import StudySpec
from paretune.search.trial.events import Event, Reporter, RunEnded

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.search.data.dataset import Dataset
    from paretune.search.preflight.estimate import Estimate


class SessionRunner:
    """Runs sessions on the studies of the rounds.

    Args:
        study: The study file.
        console: Shows the progress; None to show nothing.
        reporters: Each receives every event of every session.
    """

    def __init__(
        self, study: WorkingStudy, console: Console | None, reporters: Sequence[Reporter]
    ) -> None:
        self.study = study
        self._console = console
        self._reporters = reporters
        self._data: Dataset | None = None

    def checked(self, spec: StudySpec) -> Estimate | None:
        """Checks a study that has no baseline yet; returns how long its trials take.

        Returns:
            None for a study that an earlier run has checked.

        Raises:
            StudyFileError: The study has mistakes that a run would stumble over.
        """
        from paretune.search.preflight.first_step import first_step

        checked = first_step(spec, self.study.document.where)
        if checked is None:
            return None
        self._data, info = checked
        return info.estimate

    def spec(self, source: Mapping[str, Any]) -> StudySpec:
        """Returns the study of a round: no limit of trials, and no final session."""
        return replace(
            self.study.spec(source),
            trials=None,
            final_seconds=0.0,
            format_variants=False,
            stop_at_goals=False,
        )

    def run(self, spec: StudySpec, *reporters: Reporter) -> SessionEnd:
        """Runs a session; interrupts and mistakes are raised as by `run_session`.

        The data is loaded once. A round's space has no part that was not checked before: only
        epochs, and numbers beside those that worked.
        """
        if self._data is None:
            from paretune.search.preflight.preflight import loaded

            self._data = loaded(spec, self.study.document.where)
        with self._shown() as shown:
            return run_session(
                spec,
                reporters=[*shown, *self._reporters, *reporters],
                study=str(self.study.file),
                where=self.study.document.where,
                data=self._data,
            )

    @contextmanager
    def _shown(self) -> Iterator[list[Reporter]]:
        """Opens the view of the progress on the console, if there is one."""
        if self._console is None:
            yield []
            return
        from paretune.search.running.progress import make_progress

        with make_progress(self._console) as progress:
            yield [WithoutEnd(progress)]


class WithoutEnd:
    """A reporter that forwards all events but the end of a session: the round tells that.

    Args:
        report: Receives the other events.
    """

    def __init__(self, report: Reporter) -> None:
        self._report = report

    def __call__(self, event: Event) -> None:
        """Receives an event."""
        if not isinstance(event, RunEnded):
            self._report(event)
