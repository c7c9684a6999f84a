"""A store: keeps the files of a study under their SHA-256, where several hosts reach them.

    STORE/paretune-store.json      which store it is
    STORE/sha256/ab/abcdef...      a file, named by the digest of its content
    STORE/logs/NAME.log            a text to read

A file is there whole or not at all. It is compared with its digest before it is used, so a store
that was cut off, or in which someone wrote, gives no wrong file.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.stores.address import StoreAddress, StoreError
from paretune.search.stores.store_errors import (
    full_text,
    is_final,
    refusal_text,
    shown_error,
)
from paretune.search.waits import Wait, longest_wait

T = TypeVar("T")

OBJECT_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "r2", "hf", "tos"}
)
"""File systems where a file appears when its upload is complete, and folders do not exist."""

MARKER = "paretune-store.json"

TRIED = "tried-"
"""Begin of the name of a file in a folder that is no store yet."""

VARIABLE = "PARETUNE_FILES_WAIT"

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of a disk that cannot be written."""

LINK = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 2}}
"""Options of botocore: without them a link that drops its packets holds a worker for minutes."""

_log = logging.getLogger(__name__)


class FileStore:
    """Files in one folder of any fsspec file system.

    Args:
        address: Its URL and options.
        notify: Receives a text when a wait begins and when it ends.
        wait_s: Longest wait for a store that is away, in seconds; None for what the environment
            says.
    """

    def __init__(
        self,
        address: StoreAddress,
        notify: Callable[[str], None] = _log.info,
        wait_s: float | None = None,
    ) -> None:
        self.address = address
        self._notify = notify
        self._wait_s = longest_wait(VARIABLE) if wait_s is None else wait_s
        self._opened: tuple[Any, str] | None = None
        self._is_folder = address.protocol not in OBJECT_STORES

    # -- which store it is -----------------------------------------------------------------------

    def check(self, expected: str | None = None) -> str:
        """Tries to write, read and remove a file; returns the id of the store.

        Args:
            expected: Id of the store that has the study's files; None for a new study.

        Raises:
            StoreError: It cannot be used, or is another store.
        """
        id = self._expected_id(expected)
        if id is None:
            id = uuid.uuid4().hex
            self._write_small(MARKER, json.dumps({"paretune": 1, "id": id}).encode())
        self._try_writing("tried/")
        return id

    def try_out(self, expected: str | None = None) -> None:
        """Tries the store as `check` does, and does not begin it.

        Args:
            expected: Id of the store that has the study's files; None for a new study.

        Raises:
            StoreError: It cannot be used, or is another store.
        """
        if self._expected_id(expected):
            self._try_writing("tried/")
            return
        folders = self._missing_folders()
        try:
            self._try_writing(TRIED)
        finally:
            for folder in folders:
                self._remove_folder(folder)

    def _missing_folders(self) -> list[str]:
        """Returns the folders that the first file of the store makes, the deepest first."""
        folders: list[str] = []
        folder = self._open()[1] if self._is_folder else ""
        while folder and self._outlast(lambda path=folder: self._is_missing(path)):  # type: ignore[misc]
            folders.append(folder)
            folder = folder.rpartition("/")[0]
        return folders

    def _is_missing(self, path: str) -> bool:
        try:
            self._fs.info(path)
        except FileNotFoundError:
            return True
        return False

    def _remove_folder(self, folder: str) -> None:
        """Removes a folder that is empty; another host may have begun the store meanwhile."""
        try:
            self._fs.rmdir(folder)
        except Exception:
            _log.debug("%s: the folder %s stays", self.address.url, folder)

    def _expected_id(self, expected: str | None) -> str | None:
        """Returns the id of the store; None if it has none yet.

        Raises:
            StoreError: It is another store than expected.
        """
        id = self._id()
        if expected is not None and id != expected:
            what = "is another store" if id else f"has no file {MARKER}"
            raise StoreError(
                f"files: {self.address.url} {what}, so the study's files are not there. If it is a "
                "shared folder, mount it. If you moved the store, copy all its files there first"
            )
        return id

    def _id(self) -> str | None:
        try:
            return str(json.loads(self._read_small(MARKER))["id"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"files: {self.address.url}/{MARKER} is damaged; remove it if the store is empty, "
                "or copy it from a backup of the store"
            ) from None

    def _try_writing(self, prefix: str) -> None:
        name, content = f"{prefix}{uuid.uuid4().hex}", os.urandom(64)
        self._write_small(name, content)
        if self._read_small(name) != content:
            raise StoreError(f"files: {self.address.url} returns other bytes than were written")
        self._remove(name)

    # -- files -----------------------------------------------------------------------------------

    def put(self, file: Path, sha256: str) -> None:
        """Stores a file, unless the store has it.

        Args:
            file: A local file.
            sha256: Digest of its content.

        Raises:
            StoreError: The store refuses it, is full, or is away for longer than the wait.
        """
        size, path = file.stat().st_size, self._path(_object(sha256))

        def upload() -> None:
            if self._size(path) == size:
                return
            self._upload(file, path)
            written = self._size(path)
            if written != size:
                raise OSError(f"{written} of {size} bytes were written")

        self._outlast(upload, writes=True)

    def get(self, sha256: str, target: Path) -> bool:
        """Copies a file from the store; returns False if it is not there, or damaged.

        A damaged file is removed from the store.

        Args:
            sha256: Digest of its content.
            target: Path of the copy, which is there whole or not at all.

        Raises:
            StoreError: The store refuses it, or is away for longer than the wait.
            OSError: The copy cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        copy = Path(name)
        try:
            path = self._path(_object(sha256))
            self._outlast(lambda: self._download(path, name))
            if sha256_of(copy) != sha256:
                _log.warning("%s: %s is damaged and left out", self.address.url, target.name)
                self._remove(_object(sha256))
                return False
            copy.chmod(0o644)
            os.replace(copy, target)
        except FileNotFoundError:
            return False
        finally:
            copy.unlink(missing_ok=True)
        return True

    def has(self, sha256: str) -> bool:
        """Returns whether the store has a file; its content is compared when it is copied."""
        return self._outlast(lambda: self._size(self._path(_object(sha256)))) is not None

    def remove(self, sha256: str) -> None:
        """Removes a file, if it is there."""
        self._remove(_object(sha256))

    def put_log(self, name: str, text: str) -> str:
        """Stores a text; returns its URL."""
        self._write_small(f"logs/{name}.log", text.encode())
        return f"{self.address.url}/logs/{name}.log"

    # -- the file system -------------------------------------------------------------------------

    @property
    def _fs(self) -> Any:
        return self._open()[0]

    def _path(self, name: str) -> str:
        return f"{self._open()[1]}/{name}"

    def _open(self) -> tuple[Any, str]:
        """Returns the file system and the path of the store in it.

        Raises:
            StoreError: A package is missing, or an option is wrong.
        """
        if self._opened is None:
            import fsspec

            protocol, options = self.address.protocol, self.address.resolved_options()
            if protocol in ("s3", "s3a"):
                options["config_kwargs"] = {**LINK, **options.get("config_kwargs", {})}
            try:
                fs = fsspec.filesystem(
                    protocol, skip_instance_cache=True, use_listings_cache=False, **options
                )
            except ImportError as error:
                extra = "; pip install 'paretune[s3]'" if protocol in ("s3", "s3a") else ""
                raise StoreError(f"files: {self.address.url}: {error}{extra}") from None
            except Exception as error:
                raise StoreError(
                    f"files: {self.address.url} cannot be opened: {self._shown(error)}"
                ) from None
            self._opened = fs, str(fs._strip_protocol(self.address.url)).rstrip("/")
        return self._opened

    def _size(self, path: str) -> int | None:
        """Returns the bytes of a stored file; None if there is none."""
        try:
            return int(self._fs.info(path)["size"])
        except FileNotFoundError:
            return None

    def _download(self, path: str, target: str) -> None:
        try:
            self._fs.get_file(path, target)
        except FileNotFoundError:
            self._refuse_unmounted()  # else all files of the store seem to be gone
            raise

    def _upload(self, file: Path, path: str) -> None:
        """Writes a file that appears when it is complete."""
        if not self._is_folder:
            self._fs.put_file(str(file), path)
            return
        self._refuse_unmounted()
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        part = f"{path}.{uuid.uuid4().hex[:8]}.part"
        try:
            self._fs.put_file(str(file), part)
            self._fs.mv(part, path)
        except BaseException:
            self._discard_part(part)
            raise

    def _discard_part(self, part: str) -> None:
        try:
            self._fs.rm_file(part)
        except Exception:
            _log.debug("%s: a part stays", self.address.url)

    def _refuse_unmounted(self) -> None:
        """Refuses to go on below a mount point that is empty for now.

        Raises:
            ConnectionError: The folder of the store, or its bucket, is gone.
        """
        if self._size(self._path(MARKER)) is None:
            raise ConnectionError(f"{MARKER} is gone: the folder is removed, or not mounted")

    def _write_small(self, name: str, content: bytes) -> None:
        handle, file = tempfile.mkstemp()
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            path = self._path(name)

            def upload() -> None:
                if self._is_folder and name.startswith((MARKER, TRIED)):  # no store yet
                    self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                    self._fs.put_file(file, path)
                else:
                    self._upload(Path(file), path)

            self._outlast(upload, writes=True)
        finally:
            os.unlink(file)

    def _read_small(self, name: str) -> bytes:
        path = self._path(name)
        return bytes(self._outlast(lambda: self._fs.cat_file(path)))

    def _remove(self, name: str) -> None:
        path = self._path(name)
        try:
            self._outlast(lambda: self._fs.rm_file(path))
        except FileNotFoundError:
            return

    # -- a store that is away --------------------------------------------------------------------

    def _outlast(self, work: Callable[[], T], writes: bool = False) -> T:
        """Returns what `work` returns; repeats it while the store does not answer.

        Args:
            work: Reads or writes the store; can be repeated.
            writes: Whether it writes the store, not this host.

        Raises:
            FileNotFoundError: There is no such file; a writer gets a StoreError.
            StoreError: The store refuses it, or is away for longer than the wait.
            OSError: This host's disk is full.
        """
        wait = Wait(
            self._wait_s, lambda error: self._is_away(error, writes), self._begins, self._ends
        )
        try:
            return wait.outlast(work)
        except (FileNotFoundError, UserError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:  # on this host
                raise
            raise StoreError(
                f"files: {self.address.url} does not answer: {self._shown(error)}. Finished work "
                "is kept here; type the same command again when the store is back"
            ) from None

    def _is_away(self, error: Exception, writes: bool) -> bool:
        """Returns whether the store may answer later.

        Raises:
            StoreError: No wait would mend the error.
        """
        if isinstance(error, FileNotFoundError):
            if writes:
                raise StoreError(refusal_text(self.address, error)) from None
            return False
        if isinstance(error, UserError):
            return False
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            if writes:
                raise StoreError(full_text(self.address, error)) from None
            return False
        if is_final(error):
            raise StoreError(refusal_text(self.address, error)) from None
        return True

    def _begins(self, error: Exception) -> None:
        self._notify(
            f"{self.address.url} does not answer ({self._shown(error)}); waiting up to "
            f"{self._wait_s:g} s for it, finished work is kept ({VARIABLE} sets the seconds)"
        )

    def _ends(self, _seconds: float) -> None:
        self._notify(f"{self.address.url} answers again; nothing is lost")

    def _shown(self, error: BaseException) -> str:
        return shown_error(error, self.address)


def _object(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256}"
