"""One reader of a study for all of its pages, and the events that they receive."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from paretune.search.errors import UserError
from paretune.search.serving.live_study import LiveStudy

EVERY = 1.0
"""Shortest time between two looks at the database, in seconds."""

REST = 100.0
"""After a look, the reader rests for this many times the processor time that it took."""

PING = 15.0
"""Seconds without a change after which a comment is sent, so that lost connections are noticed."""

RETRY_MS = 3000
"""Time after which a page connects again, in milliseconds."""


class WatchedStudy:
    """A study that is read while pages show it.

    Attributes:
        error: Why the database cannot be read now; None if it can.

    Args:
        study: Reads the study.
        further: Returns further parts of the state, such as the run that the page started.
    """

    def __init__(self, study: LiveStudy, further: Callable[[], Mapping[str, Any]]) -> None:
        self._study, self._further = study, further
        self._lock = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._reader: asyncio.Task[None] | None = None
        self._looked = -EVERY
        self._rest = 0.0
        self._telling = 0.0  # processor time since the last look to tell pages what changed
        self._cached: tuple[tuple[str, int], bytes] | None = None
        self._deltas: dict[tuple[str, int, int], str] = {}
        self._closed = False
        self.error: str | None = None

    @property
    def listeners(self) -> int:
        """Number of pages that receive events."""
        return self._listeners

    async def look(self, now: bool = False) -> None:
        """Reads what changed, unless that was done a moment ago.

        Args:
            now: Whether to read in any case.
        """
        async with self._lock:
            if not now and time.monotonic() - self._looked < max(EVERY, self._rest):
                return
            changed = await asyncio.to_thread(self._refresh)
            self._looked = time.monotonic()
        if changed:
            async with self._changed:
                self._changed.notify_all()

    def _refresh(self) -> bool:
        begun = time.thread_time()
        error = self.error
        try:
            changed = self._study.refresh(self._further())
            self.error = None
        except UserError as problem:
            changed, self.error = False, str(problem)
        # What is done seldom, such as the front's table, must not delay the points.
        spent = time.thread_time() - begun - self._study.rare_seconds
        self._rest, self._telling = REST * (spent + self._telling), 0.0
        return changed or self.error != error

    async def state(self) -> bytes:
        """Returns the whole state, as compressed JSON.

        Raises:
            UserError: The database cannot be read.
        """
        await self.look()
        if self.error is not None:
            raise UserError(self.error)
        async with self._lock:
            key = (self._study.epoch, self._study.seq)
            if self._cached is None or self._cached[0] != key:
                self._cached = (key, await asyncio.to_thread(self._packed))
            return self._cached[1]

    def _packed(self) -> bytes:
        return gzip.compress(encoded(self._study.state()).encode(), 1)

    async def events(self, epoch: str | None, since: int) -> AsyncIterator[str]:
        """Yields server-sent events: each has what changed after the one before.

        Args:
            epoch: Epoch of the state that the page has; None if it has none.
            since: Number of that state.
        """
        with self._listening():
            yield f"retry: {RETRY_MS}\n\n"
            shown_error: str | None = None
            await self.look()
            while not self._closed:
                if self.error is not None and self.error != shown_error:
                    yield _event("notice", encoded({"text": self.error}))
                shown_error = self.error
                if shown_error is None and epoch != self._study.epoch:
                    epoch, since = self._study.epoch, self._study.seq
                    yield _event("state", encoded({"epoch": epoch, "seq": since}))
                elif shown_error is None and self._study.seq > since:
                    text = await self._delta(since)
                    since = self._study.seq
                    yield _event("state", text, f"{epoch}.{since}")
                if not await self._wait(epoch, since, shown_error):
                    yield ": still here\n\n"

    async def _delta(self, since: int) -> str:
        """Returns what changed, as JSON; pages with the same state share it."""
        async with self._lock:
            key = (self._study.epoch, since, self._study.seq)
            if key not in self._deltas:
                text = await asyncio.to_thread(self._event, since)
                self._deltas = {k: v for k, v in self._deltas.items() if k[2] == key[2]}
                self._deltas[key] = text
            return self._deltas[key]

    def _event(self, since: int) -> str:
        begun = time.thread_time()
        text = encoded(self._study.since(since))
        self._telling += time.thread_time() - begun
        return text

    async def _wait(self, epoch: str | None, since: int, shown_error: str | None) -> bool:
        """Waits for a change; returns False if nothing changed for a while."""

        def has_changed() -> bool:
            return self._closed or (self._study.epoch, self._study.seq, self.error) != (
                epoch,
                since,
                shown_error,
            )

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(has_changed), PING)
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Ends the events of all pages."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Keeps the reader running while any page listens."""
        self._listeners += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._reader.cancel()

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(max(EVERY, self._rest))
            await self.look(now=True)


def encoded(value: Any) -> str:
    """Returns JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _event(name: str, data: str, number: str | None = None) -> str:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {data}\n\n"
