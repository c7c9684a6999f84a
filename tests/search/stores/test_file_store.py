"""A store in a shared folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.stores.address import StoreError, store_address
from paretune.search.stores.file_store import MARKER, VARIABLE, FileStore


def store_in(folder: Path) -> FileStore:
    return FileStore(store_address(str(folder / "store"), folder), wait_s=0.0)


def written(folder: Path, content: bytes = b"weights") -> tuple[Path, str]:
    file = folder / "file"
    file.write_bytes(content)
    return file, sha256_of(file)


def test_file_comes_back_whole(tmp_path: Path) -> None:
    store, (file, digest) = store_in(tmp_path), written(tmp_path)
    id = store.check()
    store.put(file, digest)
    store.put(file, digest)
    assert store_in(tmp_path).check(id) == id
    assert store_in(tmp_path).get(digest, tmp_path / "host" / "copy")
    assert (tmp_path / "host" / "copy").read_bytes() == b"weights"
    kept = [each for each in (tmp_path / "store").rglob("*") if each.is_file()]
    assert sorted(each.name for each in kept) == sorted([digest, MARKER])


def test_half_written_file_is_no_file(tmp_path: Path) -> None:
    store, (file, digest) = store_in(tmp_path), written(tmp_path)
    store.check()
    store.put(file, digest)
    stored = tmp_path / "store" / "sha256" / digest[:2] / digest
    stored.write_bytes(b"weig")
    assert not store.get(digest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not stored.exists()


def test_upload_that_breaks_off_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, (file, digest) = store_in(tmp_path), written(tmp_path)
    store.check()

    def full(part: str, path: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store._fs, "mv", full)
    with pytest.raises(StoreError, match="No space left on device; make room there"):
        store.put(file, digest)
    kept = [each for each in (tmp_path / "store").rglob("*") if each.is_file()]
    assert [each.name for each in kept] == [MARKER]


def test_unmounted_folder_is_away_and_not_empty(tmp_path: Path) -> None:
    store, (file, digest) = store_in(tmp_path), written(tmp_path)
    store.check()
    store.put(file, digest)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    for use in (
        lambda: store.put(file, digest),
        lambda: store.get(digest, tmp_path / "copy"),
    ):
        with pytest.raises(StoreError, match="is gone: the folder is removed, or not mounted"):
            use()
    assert not (tmp_path / "store").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    assert store.get(digest, tmp_path / "copy")


def test_damaged_marker_is_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.check()
    (tmp_path / "store" / MARKER).write_text("{")
    with pytest.raises(StoreError, match=f"{MARKER} is damaged"):
        store.check()


def test_refused_permission_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(store_address(str(tmp_path / "store"), tmp_path), wait_s=600.0)
    store.check()

    def refused(file: str, path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(store._fs, "put_file", refused)
    with pytest.raises(StoreError, match=r"the store refuses .*mend the folder's rights"):
        store.put(*written(tmp_path))


def test_wait_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "soon")
    with pytest.raises(UserError, match=f"{VARIABLE}: must be a number of seconds, not 'soon'"):
        FileStore(store_address("s3://b/x", tmp_path))


@pytest.mark.parametrize("before", ["", "mnt", "mnt/plates", "mnt/plates/study"])
def test_folder_that_is_only_tried_stays_as_it_was(tmp_path: Path, before: str) -> None:
    (tmp_path / before).mkdir(parents=True, exist_ok=True)
    folders = sorted(tmp_path.rglob("*"))

    store_in(tmp_path / "mnt" / "plates" / "study").try_out()

    assert sorted(tmp_path.rglob("*")) == folders


def test_try_removes_no_folder_that_another_host_uses_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mnt" / "study"
    store, other = store_in(folder), store_in(folder)
    remove = store._remove

    def begun_meanwhile(name: str) -> None:
        remove(name)
        other.check()

    monkeypatch.setattr(store, "_remove", begun_meanwhile)
    store.try_out()
    assert (folder / "store" / MARKER).is_file()
