"""Two hosts with one store: each is a folder of its own here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from paretune.search.building.shared_files import RECENT, SharedFiles
from paretune.search.building.stage_cache import StageCache
from paretune.search.database.engine import open_engine
from paretune.search.database.leases import Leases
from paretune.search.database.store import Store
from paretune.search.database.stored_files import StoredFiles
from paretune.search.stores.address import store_address
from paretune.search.stores.file_store import FileStore
from paretune.spaces.base import Candidate
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.task import Outputs


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield engine
    engine.dispose()


class Host:
    """A host: the study's folder, and the store that all hosts share."""

    def __init__(self, folder: Path, name: str, engine: sa.Engine, limit: int = 10**9) -> None:
        self.folder = folder / name
        self.files = FileStore(store_address(str(folder / "store"), folder), wait_s=0.0)
        self.files.check()
        self.waits: list[str] = []
        self.shared = SharedFiles(
            self.folder,
            self.files,
            StoredFiles(engine),
            Leases(engine, name),
            limit,
            self.waits.append,
        )
        self.cache = StageCache(self.folder / "stages", Store(engine), limit, shared=self.shared)

    def file(self, name: str, content: bytes) -> Path:
        """Writes a file of the study's folder."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


def network() -> Candidate:
    return initial_candidate({"simple_cnn": {"width": 0.125}}, (1, 8, 8), Outputs(3), seed=0)


def stored_objects(folder: Path) -> list[Path]:
    return [each for each in (folder / "store" / "sha256").rglob("*") if each.is_file()]


def test_stage_of_one_host_is_loaded_on_another(
    tmp_path: Path, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.search.building.shared_files.FRESH", 0.0)
    first, second = Host(tmp_path, "a", engine), Host(tmp_path, "b", engine)
    candidate = network()
    assert not second.cache.has("key")
    assert second.cache.load("key", rebuild) is None
    first.cache.save("key", "pretrain", None, candidate, 1.0, {"pretrain": 1.0})
    assert second.cache.has("key")
    loaded = second.cache.load("key", rebuild)
    assert loaded is not None
    assert {n: v.tolist() for n, v in loaded.model.state_dict().items()} == {
        n: v.tolist() for n, v in candidate.model.state_dict().items()
    }
    assert second.cache.stage_seconds("key") == {"pretrain": 1.0}


def test_stage_that_the_store_lost_is_trained_again(tmp_path: Path, engine: sa.Engine) -> None:
    first, second = Host(tmp_path, "a", engine), Host(tmp_path, "b", engine)
    first.cache.save("key", "pretrain", None, network(), 1.0, {})
    for stored in stored_objects(tmp_path):
        stored.write_bytes(b"half")
    assert second.cache.load("key", rebuild) is None
    assert not second.cache.has("key")
    second.cache.save("key", "pretrain", None, network(), 1.0, {})
    assert second.cache.load("key", rebuild) is not None


def test_names_of_many_stages_are_read_at_once(
    tmp_path: Path, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.search.building.shared_files.FRESH", 3600.0)
    host = Host(tmp_path, "a", engine)
    host.shared.share(host.file("stages/x.safetensors", b"weights"))
    (host.folder / "stages" / "x.safetensors").unlink()
    statements: list[str] = []
    sa.event.listen(
        engine, "before_cursor_execute", lambda c, cursor, text, *rest: statements.append(text)
    )
    assert [host.cache.has(key) for key in ("x", *"abcdefghij")] == [True, *[False] * 10]
    assert len(statements) == 1, statements
    host.shared.share(host.file("stages/a.safetensors", b"weights"))
    (host.folder / "stages" / "a.safetensors").unlink()
    assert host.cache.has("a")
    host.shared.forget([host.folder / "stages" / "x.safetensors"])
    assert not host.cache.has("x")


def test_copy_that_was_cut_off_is_replaced(tmp_path: Path, engine: sa.Engine) -> None:
    host = Host(tmp_path, "a", engine)
    file = host.file("artifacts/trial-00001.onnx", b"network")
    host.shared.share(file)
    file.write_bytes(b"netw")
    assert host.shared.bring(file)
    assert file.read_bytes() == b"network"


def test_file_made_while_the_store_was_away_is_shared_later(
    tmp_path: Path, engine: sa.Engine
) -> None:
    first, second = Host(tmp_path, "a", engine), Host(tmp_path, "b", engine)
    file = first.file("stages/x.safetensors", b"weights")
    other = second.folder / "stages" / "x.safetensors"
    assert not second.shared.bring(other)
    assert first.shared.bring(file)
    assert second.shared.bring(other)


def test_file_of_an_earlier_attempt_is_replaced_by_the_measured_one(
    tmp_path: Path, engine: sa.Engine
) -> None:
    first, second = Host(tmp_path, "a", engine), Host(tmp_path, "b", engine)
    first.file("artifacts/trial-00003.onnx", b"of an attempt that was lost")
    measured = second.file("artifacts/trial-00003.onnx", b"measured")
    second.shared.share(measured)
    assert first.shared.bring(first.folder / "artifacts" / "trial-00003.onnx")
    assert (first.folder / "artifacts" / "trial-00003.onnx").read_bytes() == b"measured"


def test_forgotten_file_leaves_the_store_unless_another_name_has_it(
    tmp_path: Path, engine: sa.Engine
) -> None:
    host = Host(tmp_path, "a", engine)
    files = [host.file(name, b"same") for name in ("stages/x", "stages/y")]
    for file in files:
        host.shared.share(file)
    host.shared.forget(files[:1])
    assert len(stored_objects(tmp_path)) == 1
    host.shared.forget(files[1:])
    assert stored_objects(tmp_path) == []


def test_copies_beyond_the_limit_go_and_stay_in_the_store(
    tmp_path: Path, engine: sa.Engine
) -> None:
    host = Host(tmp_path, "a", engine, limit=3500)
    files = []
    for number in range(6):
        file = host.file(f"stages/{number}", bytes([number]) * 1000)
        os.utime(file, (1e9 + number, 1e9 + number))
        host.shared.share(file)
        files.append(file)
    here = [file for file in files if file.is_file()]
    assert 1 <= len(here) <= 3
    assert all(host.shared.bring(file) for file in files)
    assert [file.read_bytes()[0] for file in files if file.is_file()][-1] == 5


def test_copy_in_use_stays_beyond_the_limit(tmp_path: Path, engine: sa.Engine) -> None:
    host = Host(tmp_path, "a", engine, limit=10)
    files = [host.file(f"artifacts/{number}", bytes([number]) * 100) for number in range(3)]
    for file in files:
        host.shared.share(file)
    assert RECENT >= 60
    assert all(file.is_file() for file in files)


def test_stage_is_trained_by_one_host_at_a_time(tmp_path: Path, engine: sa.Engine) -> None:
    first, second = Host(tmp_path, "a", engine), Host(tmp_path, "b", engine)
    waited, trained = threading.Event(), []
    second.shared._waiting = lambda text: (second.waits.append(text), waited.set())

    def train() -> None:
        with second.cache.training("key"):
            trained.append(second.cache.load("key", rebuild) is not None)

    with first.cache.training("key"):
        thread = threading.Thread(target=train)
        thread.start()
        assert waited.wait(60)
        first.cache.save("key", "pretrain", None, network(), 1.0, {})
    thread.join(60)
    assert trained == [True]
    assert second.waits[0].startswith("worker a on ")


def test_log_is_a_text_in_the_store(tmp_path: Path, engine: sa.Engine) -> None:
    host = Host(tmp_path, "a", engine)
    assert host.cache.log("probe", "why") == f"{(tmp_path / 'store').as_uri()}/logs/probe.log"
    assert (tmp_path / "store" / "logs" / "probe.log").read_text() == "why\n"
