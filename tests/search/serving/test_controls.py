"""The page steers a study as the command line does, and names the command."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.requests import Requests
from paretune.search.database.rows import engine_rows
from paretune.search.database.worker_rows import wanted
from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation, locate
from paretune.search.serving import controls
from paretune.search.serving.controls import Controls, storage_option, without_set
from paretune.search.shell import command_text
from support.made_up_study import MadeUpStudy
from support.workers import living_row


class Started:
    """Stands for the process of a run."""

    started: ClassVar[list[list[str]]] = []
    code: int | None = None

    def __init__(self, file: Path, folder: Path, options: Sequence[str]) -> None:
        self.started.append(list(options))

    def json(self) -> dict[str, Any]:
        return {"state": "running"}


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeUpStudy]:
    monkeypatch.setattr(controls, "RunProcess", Started)
    monkeypatch.setattr(controls, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(Started, "started", [])
    made_up = MadeUpStudy(tmp_path, 4)
    yield made_up
    made_up.close()


def act(study: MadeUpStudy, **body: Any) -> dict[str, Any]:
    return asyncio.run(Controls(locate(str(study.file))).act(body))


@pytest.mark.parametrize(
    ("action", "asked"), [("pause", "pause"), ("resume", "run"), ("stop", "stop")]
)
def test_action_asks_the_workers_and_names_its_command(
    study: MadeUpStudy, action: str, asked: str
) -> None:
    study.execute(sa.insert(tables.workers), [living_row()])
    answer = act(study, action=action)
    assert answer["command"] == f"paretune {action} {study.file}"
    assert answer["text"].startswith("1 worker ")
    assert wanted(engine_rows(study.engine)) == asked


def test_action_without_a_worker_is_refused_and_leaves_no_request(study: MadeUpStudy) -> None:
    with pytest.raises(UserError, match=r"no worker runs this study; .* paretune run"):
        act(study, action="pause")
    assert wanted(engine_rows(study.engine)) == "run"


def test_run_starts_with_the_options_of_the_last_run(study: MadeUpStudy) -> None:
    Requests(study.engine).write_options(["--set", "search.seed=3", "--set", "goals=[]"])
    answer = act(study, action="run", trials=9, goals=["size <= 1 MB"])
    options = ["--set", "search.seed=3", "--trials", "9", "--set", 'goals=["size <= 1 MB"]']
    assert Started.started == [options]
    command = f"paretune run {study.file} --set search.seed=3 --trials 9"
    assert answer["command"] == f"{command} --set 'goals=[\"size <= 1 MB\"]'"


def test_run_beside_workers_is_refused_unless_it_changes_something(study: MadeUpStudy) -> None:
    study.execute(sa.insert(tables.workers), [living_row()])
    with pytest.raises(UserError, match="1 worker run this study already"):
        act(study, action="run")
    assert Started.started == []


def test_changed_run_begins_when_the_workers_have_left(study: MadeUpStudy) -> None:
    study.execute(sa.insert(tables.workers), [living_row()])

    async def change() -> None:
        steering = Controls(locate(str(study.file)))
        answer = await steering.act({"action": "run", "trials": 50})
        assert answer["command"].startswith("paretune stop --wait ")
        assert "&& paretune run" in answer["command"]
        assert (steering.json() or {})["state"] == "waiting"
        assert wanted(engine_rows(study.engine)) == "stop"
        with pytest.raises(UserError, match="a run waits already"):
            await steering.act({"action": "run", "trials": 60})
        await asyncio.sleep(0.05)
        assert Started.started == []
        study.execute(sa.delete(tables.workers))
        while not Started.started:
            await asyncio.sleep(0.01)
        assert (steering.json() or {})["state"] == "running"

    asyncio.run(change())
    assert Started.started == [["--trials", "50"]]


def test_stop_takes_back_a_run_that_waits(study: MadeUpStudy) -> None:
    study.execute(sa.insert(tables.workers), [living_row()])

    async def change() -> None:
        steering = Controls(locate(str(study.file)))
        await steering.act({"action": "run", "trials": 50})
        await steering.act({"action": "stop"})
        study.execute(sa.delete(tables.workers))
        await asyncio.sleep(0.1)
        assert steering.json() is None

    asyncio.run(change())
    assert Started.started == []


def test_run_without_a_study_file_is_refused(study: MadeUpStudy) -> None:
    study.file.unlink()
    steering = Controls(locate(str(study.database.parent)))
    with pytest.raises(UserError, match="this study file is gone"):
        asyncio.run(steering.act({"action": "run"}))


def test_set_of_a_key_is_replaced_and_other_options_stay() -> None:
    options = ["--set", "goals=[1]", "--workers", "2", "--set", "search.seed=1", "--set"]
    assert without_set(options, ["goals"]) == [
        "--workers",
        "2",
        "--set",
        "search.seed=1",
        "--set",
        "",
    ]


def test_command_of_the_page_has_no_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://user:secret@host/db"
    location = StudyLocation(tmp_path / "s.yaml", tmp_path, url)
    options = storage_option(location)
    assert options == ["--storage", url]
    assert command_text("run", Path("s.yaml"), *options) == (
        "paretune run s.yaml --storage postgresql+psycopg://user@host/db"
    )
