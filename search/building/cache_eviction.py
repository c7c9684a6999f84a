"""Eviction: which stages leave the cache when it has grown beyond its limit.

What is worth least goes first: seconds to make it again, per byte that it takes, per second that
nobody wanted it. A stage unused for twice as long is taken to be half as likely to be wanted next,
whatever the pace of a study, so that nothing has to be tuned (hyperbolic caching, Blankstein et
al., USENIX ATC 2017; cost over size as in GreedyDual-Size, Cao and Irani, USITS 1997).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

DEFAULT_LIMIT = 20_000_000_000
"""Bytes."""

ROOM = 0.9
"""Share of the limit that is left full, so that not every new stage drops another."""

JUST = 1.0
"""Seconds of idleness below which stages count as wanted a moment ago."""


@dataclass(frozen=True)
class Kept:
    """A file in the cache.

    Attributes:
        key: Of its stage.
        bytes: Its size.
        seconds: What it cost to make.
        used: When it was written or wanted last, Unix time.
    """

    key: str
    bytes: int
    seconds: float
    used: float

    def worth(self, now: float) -> float:
        """Seconds saved per byte and second, up to a factor common to all."""
        return self.seconds / max(self.bytes, 1) / max(now - self.used, JUST)


def to_drop(entries: Iterable[Kept], limit: int, needed: Collection[str], now: float) -> list[Kept]:
    """What has to go, the least worth first; nothing while all fits within the limit.

    Args:
        entries: All that lies in the cache.
        limit: Bytes.
        needed: Keys that stay whatever they take: the front's, the baseline's, teachers'.
        now: Unix time.
    """
    entries = list(entries)
    total = sum(entry.bytes for entry in entries)
    if total <= limit:
        return []
    dropped = []
    for entry in sorted(entries, key=lambda entry: entry.worth(now)):
        if total <= ROOM * limit:
            break
        if entry.key not in needed:
            dropped.append(entry)
            total -= entry.bytes
    return dropped
