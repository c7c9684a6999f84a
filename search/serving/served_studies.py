"""The studies of a server: their entries, readers, controls, and the list of all of them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.search.database.damage import sqlite_file
from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.front.final_front import with_final_front
from paretune.search.running.liveness import lives
from paretune.search.serving.controls import Controls, shown_path
from paretune.search.serving.live_study import LiveStudy
from paretune.search.serving.study_index import StudyEntry, find_studies
from paretune.search.serving.watched_study import WatchedStudy
from paretune.search.serving.workers_now import STATUS
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import front_info
from paretune.search.views.headline import answer_text

SEARCH_EVERY = 5.0
"""Seconds between two searches for studies."""


class ServedStudies:
    """All studies below the folders that the user named.

    Args:
        paths: Folders and study files.
        epoch: Name of this run of the server.
    """

    def __init__(self, paths: Sequence[Path], epoch: str) -> None:
        self._paths, self._epoch = [path.absolute() for path in paths], epoch
        self._entries: dict[str, StudyEntry] = {}
        self._watched: dict[str, WatchedStudy] = {}
        self._controls: dict[str, Controls] = {}
        self._summaries: dict[str, tuple[Any, dict[str, Any]]] = {}
        self._searched = -SEARCH_EVERY
        self._lock = asyncio.Lock()

    async def search(self, now: bool = False) -> list[StudyEntry]:
        """Returns the studies; looks for new ones every few seconds.

        Args:
            now: Whether to look in any case.
        """
        async with self._lock:
            if now or time.monotonic() - self._searched >= SEARCH_EVERY:
                with suppress(UserError, OSError):  # a file or folder is gone; the page says which
                    self._take(await asyncio.to_thread(find_studies, self._paths))
                self._searched = time.monotonic()
        return list(self._entries.values())

    def _take(self, entries: Sequence[StudyEntry]) -> None:
        """Stores entries under the names that they had before; a study that is gone keeps its."""
        names = {entry.location.url: name for name, entry in self._entries.items()}
        for entry in entries:
            name = names.get(entry.location.url, entry.id)
            number = 1
            while name in self._entries and self._entries[name].location.url != entry.location.url:
                number += 1
                name = f"{entry.id}-{number}"
            self._entries[name] = StudyEntry(name, entry.label, entry.location, entry.error)

    async def entry(self, name: str) -> StudyEntry | None:
        """Returns a study by its id; None if there is none."""
        if name not in self._entries:
            await self.search()
        return self._entries.get(name)

    def watched(self, entry: StudyEntry) -> WatchedStudy:
        """Returns the reader of a study, which all its pages share."""
        if entry.id not in self._watched:
            controls = self.controls(entry)
            fixed = {"id": entry.id, "file": self._file(entry), "epoch": self._epoch}
            study = LiveStudy(entry.location.url, fixed)
            self._watched[entry.id] = WatchedStudy(study, lambda: {"run": controls.json()})
        return self._watched[entry.id]

    def controls(self, entry: StudyEntry) -> Controls:
        """Returns the controls of a study."""
        if entry.id not in self._controls:
            self._controls[entry.id] = Controls(entry.location)
        return self._controls[entry.id]

    @property
    def listeners(self) -> int:
        """Number of pages that receive events."""
        return sum(watched.listeners for watched in self._watched.values())

    async def close(self) -> None:
        """Ends the events of all pages."""
        for watched in self._watched.values():
            await watched.close()

    async def json(self) -> dict[str, Any]:
        """Returns the list of studies.

        It is {"studies": [{"id", "name", "label", "file", "status", "budget": {"trials", "done"},
        "members", "answer", "updated", "error"}, ...]}.
        """
        entries = await self.search()
        return {"studies": await asyncio.to_thread(lambda: [self._summary(e) for e in entries])}

    def _summary(self, entry: StudyEntry) -> dict[str, Any]:
        """Returns a line of the list; read again if the database has changed."""
        head = {
            "id": entry.id,
            "name": entry.label,
            "label": entry.label,
            "file": self._file(entry),
            "error": entry.error,
        }
        if entry.error is not None:
            return {**head, "status": "idle", "budget": None}
        stamp = _stamp(entry)
        summary = self._summaries.get(entry.id)
        if summary is None or summary[0] != stamp or summary[1].get("status") != "idle":
            try:
                summary = (stamp, _summary(entry.location.url))
            except UserError as error:
                return {**head, "status": "idle", "budget": None, "error": str(error)}
            self._summaries[entry.id] = summary
        return {**head, **summary[1]}

    def _file(self, entry: StudyEntry) -> str | None:
        return None if entry.file is None else str(shown_path(entry.location))


def _summary(url: str) -> dict[str, Any]:
    with study_reader(url) as reader:
        record = with_final_front(reader.outline())
        counts = reader.counts()
        living = [worker for worker in reader.workers() if lives(worker)]
        status = STATUS[reader.wanted()] if living else "idle"
    done = sum(n for state, n in counts.states.items() if state not in ("running", "paused"))
    return {
        "name": record.name,
        "status": status,
        "budget": {"trials": record.trial_limit, "done": done},
        "members": len(record.members),
        "answer": answer_text(front_info(record)).replace("->", "→") if record.members else None,
        "updated": _updated(record, living),
    }


def _updated(record: StudyRecord, living: Sequence[Mapping[str, Any]]) -> float | None:
    """Returns the Unix time of the last sign of life."""
    times = [worker["heartbeat"] for worker in living]
    times += [worker["activity"]["updated"] for worker in living if worker["activity"]]
    times += [trial.finished for trial in record.trials if trial.finished is not None]
    times += [point.time for point in record.growth]
    return max(times, default=None)


def _stamp(entry: StudyEntry) -> Any:
    """Returns what changes when a database is written; a new value each time for a server's."""
    file = sqlite_file(entry.location.url)
    if file is None:
        return time.monotonic()
    stamps = []
    for path in (file, file.with_name(file.name + "-wal")):
        try:
            status = os.stat(path)
        except OSError:
            continue
        stamps.append((status.st_mtime_ns, status.st_size))
    return stamps
