"""`paretune pause`, `resume` and `stop`, and what `status` shows of workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.activities import Activities
from paretune.search.database.rows import engine_rows
from paretune.search.database.worker_rows import wanted
from support.made_up_study import MadeUpStudy
from support.studies import record_of
from support.study_texts import TINY
from support.workers import dead_row, living_row


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    made_up = MadeUpStudy(tmp_path, 4)
    yield made_up
    made_up.close()


@pytest.mark.parametrize(
    ("action", "asked", "text"),
    [
        ("pause", "pause", "2 workers pause at the end of the current stage or epoch"),
        ("resume", "run", "2 workers go on within a second"),
        ("stop", "stop", "2 workers leave at the end of the current stage"),
    ],
)
def test_command_asks_living_workers(
    study: MadeUpStudy, cli: Any, action: str, asked: str, text: str
) -> None:
    rows = [living_row("a"), living_row("b"), dead_row()]
    study.execute(sa.insert(tables.workers), rows)
    output = cli(action, study.file)
    assert (output.code, output.err) == (0, "")
    assert output.out.startswith(text)
    assert wanted(engine_rows(study.engine)) == asked
    assert json.loads(cli(action, study.file, "--json").out)["workers"] == 2


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_command_without_a_living_worker_exits_with_1(
    study: MadeUpStudy, cli: Any, action: str
) -> None:
    study.execute(sa.insert(tables.workers), [dead_row()])
    output = cli(action, study.file)
    assert output.code == 1
    assert output.out.startswith("no worker runs this study; to continue it: paretune run ")
    assert wanted(engine_rows(study.engine)) == "run"


@pytest.mark.parametrize("action", ["pause", "resume", "stop"])
def test_command_on_something_else_exits_with_2(tmp_path: Path, cli: Any, action: str) -> None:
    output = cli(action, tmp_path / "gone.yaml")
    assert output.code == 2
    assert "there is no such study file" in output.err


def test_status_shows_what_workers_do(study: MadeUpStudy, cli: Any) -> None:
    study.execute(sa.insert(tables.workers), [living_row(), dead_row()])
    activity = {"trial": 3, "stage": "finetune", "epoch": 2, "epochs": 5, "loss": 0.5}
    row = {**activity, "score": None, "curve": [], "started": 1.0, "updated": 2.0}
    Activities(study.engine).write("w", row)
    output = cli("status", study.file)
    [line] = [line for line in output.out.splitlines() if line.startswith("now: ")]
    assert line.startswith("now: trial 3, finetune, epoch 2 of 5 (process ")
    cli("pause", study.file)
    assert "paused by the user" in cli("status", study.file).out
    facts = json.loads(cli("status", study.file, "--json").out)
    assert facts["wanted"] == "pause"
    assert [(worker["id"], worker["stage"]) for worker in facts["workers"]] == [("w", "finetune")]


def standing_status(cli: Any, file: Path) -> str:
    """Returns the status when it stays; what a worker did last is written a little later."""
    last = ""
    for _ in range(60):
        output: str = cli("status", file).out
        if output == last:
            return output
        last = output
        time.sleep(2)
    raise AssertionError(f"it still works: {last}")


@pytest.mark.slow
def test_paused_and_stopped_study_goes_on_with_the_same_trials(
    tmp_path: Path, cli: Any, start: Any
) -> None:
    text = TINY.replace("trials: 6", "trials: 2").replace(
        "{epochs: 1, batch_size: 64, optimizer: {adam: {lr: {float",
        "{epochs: 30, batch_size: 16, optimizer: {adam: {lr: {float",
    )
    files = [tmp_path / name / "tiny.yaml" for name in ("plain", "steered")]
    for file in files:
        file.parent.mkdir()
        file.write_text(text)
    assert cli("run", files[0]).code == 0
    run = start("run", files[1])
    run.wait_for("baseline ")
    assert cli("pause", files[1]).code == 0
    run.wait_for("paused by the user")
    assert "paused by the user" in standing_status(cli, files[1])  # no epoch, no trial
    assert cli("resume", files[1]).code == 0
    run.wait_for("the study goes on")
    assert cli("stop", "--wait", files[1]).code == 0
    run.wait_for("stopped on request")
    run.ended()
    assert cli("run", files[1]).code == 0
    plain, steered = map(record_of, files)
    assert [(t.state, t.params) for t in steered.trials] == [
        (t.state, t.params) for t in plain.trials
    ]
    for one, other in zip(plain.trials, steered.trials, strict=True):
        assert one.values["accuracy"] == other.values["accuracy"]
