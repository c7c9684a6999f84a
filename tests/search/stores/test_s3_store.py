"""A store on a real S3 server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.files import sha256_of
from paretune.search.stores.address import StoreAddress, StoreError
from paretune.search.stores.file_store import MARKER, FileStore
from support.s3_server import S3Server, s3_server

pytest.importorskip("s3fs", reason="the extra s3")
pytest.importorskip("moto", reason="no S3 server to start")

pytestmark = pytest.mark.slow

SECRET = "wJalrXUtnFEMI7MDENGbPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def store_at(server: S3Server, folder: str = "bucket/study", wait_s: float = 0.0) -> FileStore:
    options = {"endpoint_url": server.url, "config_kwargs": {"retries": {"max_attempts": 0}}}
    return FileStore(StoreAddress(f"s3://{folder}", options), wait_s=wait_s)


def written(folder: Path, content: bytes = b"weights" * 1000) -> tuple[Path, str]:
    file = folder / "file"
    file.write_bytes(content)
    return file, sha256_of(file)


def test_file_on_s3_comes_back_to_another_host(server: S3Server, tmp_path: Path) -> None:
    file, digest = written(tmp_path)
    first, second = store_at(server), store_at(server)
    id = first.check()
    assert second.check(id) == id
    first.put(file, digest)
    assert second.get(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert not second.get("0" * 64, tmp_path / "other")
    second.remove(digest)
    assert not first.has(digest)
    url = first.put_log("probe", "text")
    assert url == "s3://bucket/study/logs/probe.log"


def test_store_that_is_only_tried_stays_empty(server: S3Server) -> None:
    store = store_at(server, "bucket/tried")
    store.try_out()
    assert store._fs.find("bucket/tried") == []
    id = store.check()
    store.try_out(id)
    with pytest.raises(StoreError, match="is another store"):
        store.try_out("0" * 32)
    with pytest.raises(StoreError, match="there is no such bucket or folder"):
        store_at(server, "nowhere/study").try_out()


def test_damaged_file_on_s3_is_not_used(server: S3Server, tmp_path: Path) -> None:
    file, digest = written(tmp_path)
    store = store_at(server, "bucket/damaged")
    store.check()
    store.put(file, digest)
    path = f"bucket/damaged/sha256/{digest[:2]}/{digest}"
    store._fs.pipe_file(path, file.read_bytes()[:-1])  # cut off
    assert not store.get(digest, tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    store.put(file, digest)
    assert store.get(digest, tmp_path / "copy")


def test_missing_bucket_is_refused(server: S3Server) -> None:
    with pytest.raises(StoreError, match=r"s3://nowhere/study: there is no such bucket or folder"):
        store_at(server, "nowhere/study").check()


def test_store_of_another_study_is_refused(server: S3Server) -> None:
    store_at(server, "bucket/one").check()
    with pytest.raises(StoreError, match="bucket/one is another store"):
        store_at(server, "bucket/one").check("f" * 32)
    with pytest.raises(StoreError, match=f"bucket/two has no file {MARKER}"):
        store_at(server, "bucket/two").check("f" * 32)


def test_missing_credentials_are_refused(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match=r"there are no credentials.*set AWS_ACCESS_KEY_ID"):
        store_at(server).check()


def test_store_without_permission_is_refused_and_no_secret_is_shown() -> None:
    with (
        s3_server(INITIAL_NO_AUTH_ACTION_COUNT="0") as server,
        pytest.raises(StoreError, match="the store refuses reading, writing") as error,
    ):
        store_at(server, wait_s=600).check()
    assert SECRET not in str(error.value)


def test_store_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    server = S3Server()
    texts: list[str] = []
    away = threading.Event()

    def notify(text: str) -> None:
        texts.append(text)
        away.set()

    def come_back() -> None:
        assert away.wait(120)
        server.start()
        server.make_bucket()
        back.check()

    file, digest = written(tmp_path)
    back = store_at(server, wait_s=120)
    helper = threading.Thread(target=come_back)
    helper.start()
    try:
        store = store_at(server, wait_s=120)
        store._notify = notify
        assert not store.has(digest)
        helper.join(120)
        store.put(file, digest)
        assert store.has(digest)
        assert "does not answer" in texts[0]
        assert texts[-1] == "s3://bucket/study answers again; nothing is lost"
    finally:
        server.stop()


def test_store_that_stays_away_is_reported(server: S3Server, tmp_path: Path) -> None:
    file, digest = written(tmp_path)
    gone = S3Server()  # nothing listens there
    with pytest.raises(StoreError, match=r"does not answer: .*Finished work is kept here"):
        store_at(gone, wait_s=0.0).put(file, digest)
    assert file.is_file()
