"""`paretune workers`, and `status --watch`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa

from paretune.search.commands import watching
from paretune.search.database import tables
from paretune.search.database.activities import Activities
from support.made_up_study import MadeUpStudy
from support.workers import dead_row, living_row

FORM = Path(__file__).parents[3] / "docs" / "json" / "workers.schema.json"


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    made_up = MadeUpStudy(tmp_path, 4)
    yield made_up
    made_up.close()


def add_workers(study: MadeUpStudy) -> None:
    study.execute(sa.insert(tables.workers), [living_row("a"), living_row("b"), dead_row()])
    activity = {"trial": 3, "stage": "finetune", "epoch": 2, "epochs": 5, "loss": 0.5}
    row = {**activity, "score": None, "curve": [], "started": 1.0, "updated": 2.0}
    Activities(study.engine).write("a", row)


def test_living_workers_are_listed_with_what_they_do(study: MadeUpStudy, cli: Any) -> None:
    add_workers(study)
    output = cli("workers", study.file)
    assert (output.code, output.err) == (0, "")
    head, *lines = output.out.splitlines()
    assert head.split() == ["host", "process", "gpu", "trial", "stage", "epoch", "last", "sign"]
    assert sorted(line.split()[3:6] for line in lines) == [["-"] * 3, ["3", "finetune", "2/5"]]
    assert all(line.endswith(" s ago") for line in lines)


def test_workers_as_json_have_the_documented_form(study: MadeUpStudy, cli: Any) -> None:
    add_workers(study)
    value = json.loads(cli("workers", study.file, "--json").out)
    jsonschema.validate(value, json.loads(FORM.read_text(encoding="utf-8")))
    assert {(w["id"], w["trial"]) for w in value["workers"]} == {("a", 3), ("b", None)}


def test_workers_exits_with_1_when_none_lives(study: MadeUpStudy, cli: Any) -> None:
    output = cli("workers", study.file)
    assert (output.code, output.out) == (1, "no worker runs this study\n")


def test_workers_of_a_missing_study_exits_with_2(tmp_path: Path, cli: Any) -> None:
    assert cli("workers", tmp_path / "gone.yaml").code == 2


def test_watched_status_ends_with_the_last_worker(
    study: MadeUpStudy, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_workers(study)
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            study.execute(sa.delete(tables.workers), {})

    monkeypatch.setattr(watching.time, "sleep", sleep)
    output = cli("status", study.file, "--watch", "--json")
    assert output.code == 0, output.err
    first, last = map(json.loads, output.out.splitlines())
    assert (len(first["workers"]), len(last["workers"])) == (2, 0)
    assert len(looks) == 3
    assert cli("status", study.file, "--watch").out == cli("status", study.file).out
