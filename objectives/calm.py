"""Waits for calm: how long a measurement waits at most, and where the wait is shown.

A measurement waits until other Paretune processes pause, and a timing takes longer on a disturbed
host, to find calm moments. Each such wait has a limit. It is shown while it lasts, and a user who
cannot wait turns all of them off. A measurement without calm says so in its conditions.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

NO_WAIT = "PARETUNE_NO_WAIT"
"""Environment variable: this process and those that it starts measure without waiting for calm."""

SHOWN_EVERY = 1.0
"""Seconds until a wait is shown, and between two updates of the countdown."""

QUICK_CHECK = 1.0
"""Longest wait of a check that a person waits for, such as that of an export, in seconds."""


@dataclass(frozen=True)
class Wait:
    """A wait for calm.

    Attributes:
        reason: What is waited for.
        seconds_left: Seconds that it still takes at most.
    """

    reason: str
    seconds_left: float

    @property
    def text(self) -> str:
        """Says why nothing seems to happen, for how long, and how to skip the wait."""
        seconds = max(1, round(self.seconds_left))
        return f"{self.reason}, for {seconds} s at most; --no-wait does not wait"


Show = Callable[[Wait | None], None]
"""Shows a wait, once a second; None at its end."""


def was_calm(conditions: Mapping[str, Any]) -> bool:
    """Returns whether a measurement was calm, by its conditions; also if nothing is known of it."""
    return not conditions.get("disturbed_host") and conditions.get("alone") is not False


class Calm:
    """The waits of this process.

    Attributes:
        show: Shows each wait that lasts.
        overtime_pays: Whether the last timing that ran longer than planned ended undisturbed.
            On a host that is busy all the time, each further one would look for them in vain.
    """

    def __init__(self) -> None:
        self.show: Show = CountdownLine()
        self.overtime_pays = True
        self._longest = float("inf")
        self._told = False

    @property
    def waits(self) -> bool:
        """Whether measurements wait for calm at all."""
        return os.environ.get(NO_WAIT, "").strip().lower() in ("", "0", "false", "no")

    def limit(self, seconds: float) -> float:
        """Returns how long a wait may take that takes up to `seconds` by itself."""
        return min(seconds, self._longest) if self.waits else 0.0

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Shortens every wait in the body to these seconds."""
        before, self._longest = self._longest, min(seconds, self._longest)
        try:
            yield
        finally:
            self._longest = before

    @contextmanager
    def shown_by(self, show: Show) -> Iterator[None]:
        """Shows the waits in the body in another way."""
        before, self.show = self.show, show
        try:
            yield
        finally:
            self.show = before

    def tell(self, reason: str, seconds: float, spent: float) -> None:
        """Shows work that takes longer than planned, to find calm moments.

        Args:
            reason: What the work does.
            seconds: Seconds until its end at most.
            spent: Seconds since it was to end.
        """
        if spent >= SHOWN_EVERY:
            self._told = True
            self.show(Wait(reason, seconds))

    def tell_end(self) -> None:
        """Ends what `tell` shows."""
        if self._told:
            self._told = False
            self.show(None)

    @contextmanager
    def waiting(self, reason: str, seconds: float) -> Iterator[Countdown]:
        """Shows the wait in the body, which asks the countdown whether it goes on."""
        countdown = Countdown(reason, seconds, self.show)
        try:
            yield countdown
        finally:
            countdown.close()


class Countdown:
    """Counts down one wait.

    Args:
        reason: What is waited for.
        seconds: Longest wait.
        show: Shows it.
    """

    def __init__(self, reason: str, seconds: float, show: Show) -> None:
        self._reason, self._show = reason, show
        self._begun = time.monotonic()
        self._until = self._begun + seconds
        self._shown: float | None = None

    def goes_on(self, pause: float) -> bool:
        """Returns False if the time is over; else shows the wait and sleeps for `pause` seconds."""
        now = time.monotonic()
        left = self._until - now
        if left <= 0:
            return False
        if now - (self._begun if self._shown is None else self._shown) >= SHOWN_EVERY:
            self._shown = now
            self._show(Wait(self._reason, left))
        time.sleep(min(pause, left))
        return True

    def close(self) -> None:
        """Ends the display."""
        if self._shown is not None:
            self._show(None)


class CountdownLine:
    """Shows waits on standard error: a line that counts down on a terminal, else one line each."""

    def __init__(self) -> None:
        self._width = 0
        self._is_shown = False

    def __call__(self, wait: Wait | None) -> None:
        """Shows a wait, or its end."""
        with suppress(OSError, ValueError):  # a closed stream must not end a measurement
            if sys.stderr.isatty():
                text = wait.text if wait else ""
                sys.stderr.write(f"\r{text:<{self._width}}\r")
                self._width = len(text)
            elif wait is not None and not self._is_shown:
                sys.stderr.write(f"{wait.text}\n")
            sys.stderr.flush()
        self._is_shown = wait is not None


@contextmanager
def without_waiting(unless: bool = False) -> Iterator[None]:
    """Measures in the body without waiting for calm, also in processes that it starts.

    Args:
        unless: Whether to wait after all, as the environment says.
    """
    before = os.environ.get(NO_WAIT)
    if not unless:
        os.environ[NO_WAIT] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(NO_WAIT, None)
        else:
            os.environ[NO_WAIT] = before


def no_wait_variable() -> dict[str, str]:
    """Returns the variable by which processes on other hosts do not wait either; empty if unset."""
    return {} if calm.waits else {NO_WAIT: "1"}


calm = Calm()
"""The waits of this process."""
