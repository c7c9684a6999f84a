"""Hands the events of a run to several reporters."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.search.trial.events import Event, Notice, Reporter


class FanOut:
    """A reporter that forwards each event to others.

    A reporter that raises an error gets no further event, and the others are told. So a mistake in
    a reporter neither ends the run nor counts as a failed trial. It can raise KeyboardInterrupt to
    stop the run.

    Args:
        reporters: The reporters, in the order in which they receive an event.
    """

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = list(reporters)

    def __call__(self, event: Event) -> None:
        """Forwards an event."""
        for reporter in tuple(self._reporters):
            try:
                reporter(event)
            except Exception as error:
                self._remove(reporter, error)

    def _remove(self, reporter: Reporter, error: Exception) -> None:
        self._reporters.remove(reporter)
        name = getattr(reporter, "__qualname__", type(reporter).__qualname__)
        self(
            Notice(
                f"the reporter {name} raised {type(error).__name__}: {error}; "
                "it gets no further events, and the run goes on"
            )
        )
