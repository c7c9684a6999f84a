"""The store of an open study: `files:` of its file, or what an earlier run has noted."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.shared_files import SharedFiles
from paretune.search.database.leases import Leases
from paretune.search.database.outage import outage_of
from paretune.search.database.reader import study_reader
from paretune.search.database.stored_files import StoredFiles
from paretune.search.errors import UserError
from paretune.search.stores.address import StoreAddress
from paretune.search.stores.file_store import FileStore

if TYPE_CHECKING:
    import sqlalchemy as sa

    from paretune.search.database.store import Store
    from paretune.search.study.spec import StudySpec

INFO = "files"
"""Key of the study's facts that names its store."""

_log = logging.getLogger(__name__)


class StudyStore:
    """The store that has the files of a study.

    Attributes:
        shared: Its files, with their copies in the study's folder.

    Args:
        spec: The study.
        address: Address of the store.
        expected: Id of the store that an earlier run used; None if none did.
        engine: The study's database.
    """

    def __init__(
        self, spec: StudySpec, address: StoreAddress, expected: str | None, engine: sa.Engine
    ) -> None:
        self._spec = spec
        self._store = FileStore(address, _notifier(engine))
        self._id = expected
        self._leases = Leases(engine, f"process {os.getpid()}")
        self.shared = SharedFiles(
            spec.folder,
            self._store,
            StoredFiles(engine),
            self._leases,
            spec.cache_limit,
            _notifier(engine),
        )

    @classmethod
    def of(cls, spec: StudySpec, store: Store) -> StudyStore | None:
        """Returns the store of a study; None if its folder has the only copy."""
        row = store.study()
        noted = (row["info"] if row else {}).get(INFO)
        address = spec.files or noted
        if address is None:
            return None
        expected = noted["id"] if noted else None
        return cls(spec, StoreAddress.from_json(address), expected, store.engine)

    def facts(self) -> dict[str, Any]:
        """Returns what the database notes of the store; it has no secret."""
        return {INFO: {**self._store.address.to_json(), "id": self._id}}

    def begin(self, store: Store) -> None:
        """Tries the store before any training; takes up what a run without it has made.

        Args:
            store: The study's database.

        Raises:
            StoreError: It cannot be used, or is another store than before.
        """
        is_new = self._id is None
        with self._leases.held("store"):
            self._id = self._store.check(self._id)
        if is_new:
            for file in self._made_before(store):
                self.shared.bring(file)

    def _made_before(self, store: Store) -> list[Path]:
        folder = self._spec.folder
        files = [folder / row["file"] for row in store.cached_stages()]
        files += (folder / "artifacts").glob("trial-*")
        return [file for file in files if file.is_file()]


def try_store(spec: StudySpec) -> str:
    """Tries the store that a study file names; returns its URL.

    Nothing is waited for, and no file stays.

    Raises:
        StoreError: It cannot be used, or is another store than before.
    """
    store = FileStore(StoreAddress.from_json(spec.files or {}), wait_s=0.0)
    noted = None
    with suppress(UserError), study_reader(spec.storage) as reader:  # else the study is new
        noted = reader.study()["info"].get(INFO)
    store.try_out(noted["id"] if noted else None)
    return store.address.url


def bring_artifact(artifact: Artifact, info: Mapping[str, Any]) -> None:
    """Copies a study's deployed file here if this host lacks it and the study has a store.

    Args:
        artifact: The file.
        info: The study's facts.

    Raises:
        StoreError: The store cannot be used.
    """
    noted = info.get(INFO)
    if noted is not None and not artifact.path.is_file():
        store = FileStore(StoreAddress.from_json(noted), _log.warning)
        with suppress(FileNotFoundError):
            store.get(artifact.sha256, artifact.path)


def _notifier(engine: sa.Engine) -> Callable[[str], None]:
    """Returns the function that tells the user of a wait, as for the database."""

    def notify(text: str) -> None:
        outage = outage_of(engine)
        if outage is None:
            _log.warning(text)
        else:
            outage.notify(text)

    return notify
