"""Cache eviction: selects the stages to drop when the cache exceeds its limit.

The least valuable stage goes first. Its value is the seconds to make it again, divided by its bytes
and by the seconds since its last use. A stage that was unused for twice as long counts half, so
nothing has to be tuned to the pace of a study (hyperbolic caching, Blankstein et al., USENIX ATC
2017; cost over size as in GreedyDual-Size, Cao and Irani, USITS 1997).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

DEFAULT_LIMIT = 20_000_000_000
"""Default limit in bytes."""

FILL = 0.9
"""Share of the limit that stays filled, so that not every new stage drops another."""

SHORTEST_IDLE = 1.0
"""Shortest time since the last use, in seconds, to avoid division by zero."""


@dataclass(frozen=True)
class CachedStage:
    """A stage in the cache.

    Attributes:
        key: Key of the stage.
        bytes: Size of its file.
        seconds: Seconds that it took to make.
        used: Unix time when it was last written or read.
    """

    key: str
    bytes: int
    seconds: float
    used: float

    def worth(self, now: float) -> float:
        """Returns the expected seconds saved per byte and second, up to a common factor."""
        return self.seconds / max(self.bytes, 1) / max(now - self.used, SHORTEST_IDLE)


def to_drop(
    entries: Iterable[CachedStage], limit: int, needed: Collection[str], now: float
) -> list[CachedStage]:
    """Returns the stages to drop, the least valuable first; none within the limit.

    Args:
        entries: All stages in the cache.
        limit: Bytes.
        needed: Keys that always stay: those of front, baseline and teachers.
        now: Unix time.
    """
    entries = list(entries)
    total = sum(entry.bytes for entry in entries)
    if total <= limit:
        return []
    dropped = []
    for entry in sorted(entries, key=lambda entry: entry.worth(now)):
        if total <= FILL * limit:
            break
        if entry.key not in needed:
            dropped.append(entry)
            total -= entry.bytes
    return dropped
