"""A worker waits, leaves and goes on as the user asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.building.watch import Watch
from paretune.search.database.engine import open_engine
from paretune.search.database.requests import Requests
from paretune.search.database.rows import engine_rows
from paretune.search.database.worker_rows import run_options
from paretune.search.trial import control
from paretune.search.trial.control import GOES_ON, PAUSED, Control, StopRequested


@pytest.fixture(name="requests")
def requests_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Requests]:
    monkeypatch.setattr(control, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(control, "PATIENCE", 0.005)
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield Requests(engine)
    engine.dispose()


def test_stop_waits_for_the_end_of_the_stage(requests: Requests) -> None:
    worker = Control(requests)
    worker.between_stages()
    requests.want("stop")
    worker.between_epochs()
    with pytest.raises(StopRequested):
        worker.between_stages()


def test_stop_in_a_stage_is_no_error_of_the_stage(requests: Requests) -> None:
    watch = Watch(between_stages=Control(requests).between_stages)
    requests.want("stop")
    with pytest.raises(StopRequested), watch.stage("pretrain"):
        raise AssertionError("the stage must not begin")


def test_pause_holds_the_worker_and_belongs_to_no_stage(requests: Requests) -> None:
    worker, told = Control(requests), []
    entered = threading.Event()

    def notify(text: str) -> None:
        told.append(text)
        entered.set()

    worker.notify = notify
    watch = Watch(between_epochs=worker.between_epochs)
    requests.want("pause")

    def resume() -> None:
        entered.wait(60)
        time.sleep(1)
        requests.want("run")

    thread = threading.Thread(target=resume)
    thread.start()
    with watch.stage("pretrain"):
        watch._hold(watch.between_epochs)
    thread.join()
    assert told == [PAUSED, GOES_ON]
    assert worker.held >= 1 and watch.held >= 1
    assert watch.seconds["pretrain"] < watch.held


def test_run_typed_anew_forgets_an_old_stop_and_pause(requests: Requests) -> None:
    for wanted in ("stop", "pause"):
        requests.want(wanted)
        worker = Control(requests)
        worker.begin(joins=False, options=["--set", "search.seed=1"])
        worker.between_stages()
        assert requests.wanted()["wanted"] == "run"
    assert run_options(engine_rows(requests.engine)) == ["--set", "search.seed=1"]


def test_worker_that_joins_ignores_an_old_stop_and_obeys_a_new_one(requests: Requests) -> None:
    requests.want("stop")
    worker = Control(requests)
    worker.begin(joins=True)
    worker.between_stages()
    requests.want("stop")
    with pytest.raises(StopRequested):
        worker.between_stages()


def test_database_that_fails_leaves_the_last_request(requests: Requests) -> None:
    worker = Control(requests)
    requests.want("stop")
    with pytest.raises(StopRequested):
        worker.between_stages()
    with requests.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE paretune_requests")
    with pytest.raises(StopRequested):
        worker.between_stages()


def test_request_makes_its_table_in_an_older_database(requests: Requests) -> None:
    with requests.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE paretune_requests")
    requests.want("pause")
    assert requests.wanted()["wanted"] == "pause"
