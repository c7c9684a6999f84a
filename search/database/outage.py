"""Waits for a database server that is away, for a minute or a restart, and tells the user.

A run keeps what it has computed and tries again. What it wrote when the connection broke may have
been stored or not, so each write can be repeated: it replaces rows, or finds that they are there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from paretune.search.database.damage import is_away
from paretune.search.waits import Wait, longest_wait

if TYPE_CHECKING:
    import sqlalchemy as sa

P = ParamSpec("P")
R = TypeVar("R")

VARIABLE = "PARETUNE_DATABASE_WAIT"

OPTION = "paretune_outage"
"""Execution option of an engine that holds its Outage."""


class Outage:
    """How a run behaves while its database server is away.

    Only the thread that makes it waits; threads that note progress leave a note out instead.

    Attributes:
        notify: Receives a text when a wait begins and when it ends.

    Args:
        seconds: Longest wait; None for what the environment says.

    Raises:
        UserError: The variable of the environment holds no number.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = longest_wait(VARIABLE) if seconds is None else seconds
        self._thread = threading.current_thread()
        self._is_waiting = True
        self._depth = 0
        self.notify: Callable[[str], None] = lambda text: None

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Lets the body fail at once."""
        before, self._is_waiting = self._is_waiting, False
        try:
            yield
        finally:
            self._is_waiting = before

    def outlast(self, call: Callable[[], R]) -> R:
        """Returns what a call returns, which is repeated while the server is away.

        Args:
            call: Reads or writes the database; can be repeated.
        """
        if self._depth or not self._is_waiting or threading.current_thread() is not self._thread:
            return call()
        self._depth += 1
        try:
            return self._outlast(call)
        finally:
            self._depth -= 1

    def _outlast(self, call: Callable[[], R]) -> R:
        wait = Wait(self._seconds, is_away, self._begins, self._ends)
        try:
            return wait.outlast(call)
        except Exception as error:
            if is_away(error):
                self._is_waiting = False  # what ends the run must not wait as long again
            raise

    def _begins(self, _error: Exception) -> None:
        self.notify(_lost_text(self._seconds))

    def _ends(self, seconds: float) -> None:
        self.notify(f"the database answers again after {seconds:.0f} s; nothing is lost")


def outlasting(method: Callable[P, R]) -> Callable[P, R]:
    """Returns a method of a group of tables that outlasts an outage, if its engine is a run's."""

    @wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> R:
        group: Any = args[0]
        outage = outage_of(group.engine)
        if outage is None:
            return method(*args, **options)
        return outage.outlast(lambda: method(*args, **options))

    return call


def outage_of(engine: sa.Engine) -> Outage | None:
    """Returns how the engine's run waits for its server; None if no run uses it."""
    outage: Outage | None = engine.get_execution_options().get(OPTION)
    return outage


@contextmanager
def no_waiting(engine: sa.Engine) -> Iterator[None]:
    """Lets the body fail at once while the server is away: what it reads is of use only now."""
    outage = outage_of(engine)
    with outage.ignored() if outage else nullcontext():
        yield


def _lost_text(seconds: float) -> str:
    return (
        f"the database does not answer; waiting up to {seconds:g} s for it, finished work is kept "
        f"({VARIABLE} sets the seconds)"
    )
