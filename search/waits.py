"""Waits for a server that is away: a database, or a store of files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from paretune.search.errors import UserError
from paretune.search.interruption import stop_if_interrupted

R = TypeVar("R")

LONGEST = 600.0
"""Seconds that a run waits for a server, unless the environment says another number."""

LOOK_EVERY = 1.0
"""Seconds between two attempts."""


@dataclass(frozen=True)
class Wait:
    """A wait for a server, in which a call is repeated.

    Attributes:
        seconds: Its longest time.
        is_away: Returns whether an error says that the server is away; may raise another one.
        begins: Tells the user that the wait begins, with the error.
        ends: Tells the user that the server answers again, after some seconds.
    """

    seconds: float
    is_away: Callable[[Exception], bool]
    begins: Callable[[Exception], None]
    ends: Callable[[float], None]

    def outlast(self, call: Callable[[], R]) -> R:
        """Returns what a call returns; the call is repeated while the server is away.

        Raises:
            Exception: The error of the call, if the server is not away, or away for too long.
        """
        begun: float | None = None
        while True:
            try:
                result = call()
            except Exception as error:
                if not self.is_away(error):
                    if begun is not None:  # it answers, with an error
                        self.ends(time.monotonic() - begun)
                    raise
                now = time.monotonic()
                if begun is None:
                    begun = now
                    self.begins(error)
                if now - begun >= self.seconds:
                    raise
                stop_if_interrupted()
                time.sleep(min(LOOK_EVERY, self.seconds))
                continue
            if begun is not None:
                self.ends(time.monotonic() - begun)
            return result


def longest_wait(variable: str) -> float:
    """Returns the longest wait in seconds.

    Args:
        variable: Name of the environment variable that may set it.

    Raises:
        UserError: The variable holds no number.
    """
    text = os.environ.get(variable, "")
    try:
        seconds = float(text) if text else LONGEST
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UserError(
            f"{variable}: must be a number of seconds, not {text!r}; for ten minutes: "
            f"export {variable}=600"
        )
    return seconds
