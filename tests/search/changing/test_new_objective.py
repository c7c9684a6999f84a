"""The example of docs/changing.md: a new objective is measured on stored files, also after a kill.

The run is a process that is killed while it measures.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from paretune.search.files import sha256_of
from support.markdown import blocks
from support.studies import database_of, record_of, url_of

PAGE = Path(__file__).parents[3] / "docs" / "changing.md"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def blocks_of_page() -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the study of the page, and the sections that it changes."""
    first, second = (b.text for b in blocks(PAGE.read_text()) if b.language == "yaml")
    return yaml.safe_load(first), yaml.safe_load(second)


def rows_of(file: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database_of(file), timeout=60)) as connection:
        return connection.execute(statement).fetchall()


def run_and_kill(file: Path, measured: int) -> None:
    """Runs a study in a process, and kills it when so many networks are timed."""
    command = [sys.executable, "-m", "paretune", "run", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    statement = "SELECT count(*) FROM paretune_measurements WHERE name = 'latency'"
    try:
        while process.poll() is None and rows_of(file, statement)[0][0] < measured:
            time.sleep(0.05)
    finally:
        process.kill()
        output, _ = process.communicate()
    assert process.returncode == -9, output.decode()


@pytest.fixture
def file(tmp_path: Path, cli: Any) -> Path:
    """The study of the page after its four trials."""
    study, _ = blocks_of_page()
    file = tmp_path / "digits-widths.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False))
    output = cli("run", file)
    assert output.code == 0, output.err
    return file


def test_example_of_the_page_goes_on_after_a_kill(file: Path, cli: Any) -> None:
    study, changed = blocks_of_page()
    before = {t.number: t for t in record_of(file).trials}
    stages = rows_of(file, "SELECT key, created FROM paretune_stages ORDER BY key")
    gone = next(t for t in before.values() if t.number)
    artifact = database_of(file).parent / str((gone.artifact or {})["path"])
    artifact.unlink()
    file.write_text(yaml.safe_dump({**study, **changed}, sort_keys=False))

    checked = " ".join(cli("check", file).out.split())
    text = " ".join(PAGE.read_text().split("    version 2: ")[1].split("\n\n")[0].split())
    assert f"a run makes version 2: {text.split('; 4 of 4')[0]}" in checked
    assert "trials still belong to the space" in checked

    run_and_kill(file, 2)
    assert cli("front", file).code == 0
    assert cli("status", file).code == 0
    output = cli("run", file)
    assert output.code == 0, output.err
    assert "nothing is trained" in output.out

    record = record_of(file)
    assert rows_of(file, "SELECT key, created FROM paretune_stages ORDER BY key") == stages
    assert {t.number for t in record.trials} == set(before)
    for trial in record.trials:
        earlier = before[trial.number]
        assert list(trial.values) == ["accuracy", "size", "latency"]
        assert trial.values["latency"] == trial.measurements["latency"].value > 0
        assert {**trial.values, **earlier.values} == dict(trial.values)
        assert trial.started == earlier.started
    assert (gone.artifact or {})["sha256"] == sha256_of(artifact)
    assert record.baseline is not None and record.members
    stored = optuna.load_study(study_name="digits-widths", storage=url_of(file))
    assert stored.metric_names == ["accuracy", "size", "latency"]
    assert [t.state.name for t in stored.trials] == ["COMPLETE"] * len(before)


def test_trial_without_file_and_stage_does_not_count(file: Path, cli: Any) -> None:
    study, changed = blocks_of_page()
    lost = next(t for t in record_of(file).trials if t.number)
    folder = database_of(file).parent
    (folder / str((lost.artifact or {})["path"])).write_bytes(b"another file")
    for key, name in rows_of(file, "SELECT key, file FROM paretune_stages"):
        if key not in baseline_stages(file):
            (folder / name).unlink(missing_ok=True)
            (folder / "stages" / name).unlink(missing_ok=True)
    objectives = {**changed["objectives"], "accuracy.balanced": "maximize"}
    file.write_text(yaml.safe_dump({**study, "objectives": objectives}, sort_keys=False))
    output = cli("run", file)
    assert output.code == 0, output.err
    record = record_of(file)
    assert all("accuracy.balanced" in t.test for t in record.trials if t.number in record.members)
    trial = next(t for t in record.trials if t.number == lost.number)
    assert (trial.state, dict(trial.values)) == ("complete", {})
    assert trial.number not in record.members
    assert f"trial {lost.number} does not count in this version: its file is gone or changed" in (
        output.out
    )
    assert "not measured for this version" in cli("show", file, lost.number).out
    assert "1 complete trial not measured for the present version" in cli("status", file).out
    assert cli("report", file).code == 0


def baseline_stages(file: Path) -> set[str]:
    """Returns the keys of the stages of the baseline: the widest network."""
    rows = rows_of(file, "SELECT key FROM paretune_stages ORDER BY bytes DESC LIMIT 1")
    return {key for (key,) in rows}
