"""The time of an optimization, over all runs of its command."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Counts the seconds that an optimization has spent.

    Args:
        total: All seconds that it has.
        earlier: Seconds that earlier runs of the command spent.
        now: Returns the present time in seconds.
    """

    def __init__(
        self, total: float, earlier: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self._now = now
        self._earlier = earlier
        self._begun = self._lap_begun = now()

    @property
    def spent(self) -> float:
        """Seconds that are spent."""
        return self._earlier + self._now() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.total - self.spent

    @property
    def lap(self) -> float:
        """Seconds since the last lap began."""
        return self._now() - self._lap_begun

    def begin_lap(self) -> None:
        """Begins a lap."""
        self._lap_begun = self._now()
