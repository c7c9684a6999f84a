"""Shared files: the files of a study's folder that a store has, with their copies on this host.

A file is in the store before the database names it. So what the database names can be fetched
from any host, and a host that is gone takes nothing with it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.building.cache_eviction import CachedStage, to_drop
from paretune.search.files import sha256_of

if TYPE_CHECKING:
    from paretune.search.database.leases import Leases
    from paretune.search.database.stored_files import StoredFiles
    from paretune.search.stores.file_store import FileStore

RECENT = 600.0
"""A copy stays for these seconds after its last use: a measurement may be about to load it."""

FRESH = 1.0
"""Seconds for which the names in the store are kept: a proposal asks for dozens of stages."""

SHARE = 1 / 16
"""Share of the free space that is filled before the copies are counted again."""


class SharedFiles:
    """The files of one study in its store.

    Args:
        folder: The study's folder on this host.
        store: The store.
        table: Names of the files in the store.
        leases: Rights to train a stage.
        limit: Largest size of the copies on this host, in bytes.
        waiting: Receives a text while another worker trains a stage that this one needs.
    """

    def __init__(
        self,
        folder: Path,
        store: FileStore,
        table: StoredFiles,
        leases: Leases,
        limit: int,
        waiting: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._folder = folder
        self._store = store
        self._table = table
        self._leases = leases
        self._limit = limit
        self._waiting = waiting
        self._room = 0.0  # bytes of copies before they are counted again
        self._names: dict[str, tuple[float, set[str]]] = {}  # folder -> time of reading, names

    def has(self, file: Path) -> bool:
        """Returns whether the store has a file of this name, or had it FRESH seconds ago.

        Whoever is about to train a stage asks `bring` for it, which reads the present state.
        """
        folder, now = self._name(file.parent), time.monotonic()
        read, names = self._names.get(folder, (-FRESH, set()))
        if now - read >= FRESH:
            names = set(self._table.starting(f"{folder}/"))
            self._names[folder] = now, names
        return self._name(file) in names

    def share(self, file: Path) -> None:
        """Puts a file of this host into the store.

        Raises:
            StoreError: The store refuses it, is full, or is away for too long; the file stays here.
        """
        digest = sha256_of(file)
        self._store.put(file, digest)
        self._table.add(self._name(file), digest, file.stat().st_size)
        self._names.clear()
        self._used(file.stat().st_size)

    def bring(self, file: Path) -> bool:
        """Copies a file here; returns False if neither the store nor this host has it.

        A file that is here and not yet in the store goes there. A copy whose digest is wrong, such
        as one that was cut off, is replaced.

        Raises:
            StoreError: The store refuses it, or is away for too long.
            OSError: The copy cannot be written.
        """
        digest = self._table.digest(self._name(file))
        if digest is None:
            if not file.is_file():
                return False
            self.share(file)
            return True
        if self.bring_content(file, digest):
            return True
        self._table.remove([self._name(file)])
        self._names.clear()
        file.unlink(missing_ok=True)
        return False

    def bring_content(self, file: Path, digest: str) -> bool:
        """Copies the file of this digest here, unless it is here; returns False if it is gone."""
        with suppress(OSError):
            if sha256_of(file) == digest:
                os.utime(file)
                return True
        if not self._store.get(digest, file):
            return False
        self._used(file.stat().st_size)
        return True

    def forget(self, files: Collection[Path]) -> None:
        """Removes files from the store; their names are gone first."""
        for digest in self._table.remove([self._name(file) for file in files]):
            self._store.remove(digest)
        self._names.clear()

    def starting(self, folder: Path, prefix: str) -> list[Path]:
        """Returns the paths that stored files of a folder have here, by the start of the name."""
        start = f"{self._name(folder)}/{prefix}"
        return [self._folder / name for name in self._table.starting(start)]

    def log(self, name: str, text: str) -> str:
        """Stores a text to read; returns its URL."""
        return self._store.put_log(name, text)

    @contextmanager
    def training(self, key: str) -> Iterator[None]:
        """Keeps other hosts from training a stage; waits while one of them does."""

        def report(row: Any) -> None:
            self._waiting(f"worker {row['worker']} on {row['host']} trains this stage; waiting")

        with self._leases.held(f"stage {key}", waiting=report):
            yield

    def _name(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()

    # -- copies on this host ---------------------------------------------------------------------

    def _used(self, size: int) -> None:
        """Counts a new copy; drops old ones beyond the limit."""
        self._room -= size
        if self._room >= 0:
            return
        copies = self._copies()
        self._room = SHARE * (self._limit - sum(copy.bytes for copy in copies))
        if self._room < 0:
            now = time.time()
            recent = [copy.key for copy in copies if abs(now - copy.used) < RECENT]
            for copy in to_drop(copies, self._limit, recent, now):
                with suppress(OSError):  # some systems refuse to remove an open file
                    (self._folder / copy.key).unlink(missing_ok=True)

    def _copies(self) -> list[CachedStage]:
        """Returns the stored files that are here, too; all of them cost a download."""
        copies = []
        for row in self._table.rows():
            with suppress(OSError):
                status = (self._folder / row["name"]).stat()
                copies.append(
                    CachedStage(row["name"], status.st_size, status.st_size, status.st_mtime)
                )
        return copies
