"""A database that cannot be used is named, with what is left and what to type."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from paretune.search.database import engine as engine_module
from paretune.search.database import rows
from paretune.search.database.damage import (
    DatabaseError,
    explained,
    find_damage,
    problem_text,
)
from paretune.search.database.engine import open_engine
from support.command_line import Cli, invoke
from support.studies import database_of, record_of

TRAINER = """\
def evaluate(plan, report):
    report(1, error=1.0 / plan["depth"])
    return {"error": 1.0 / plan["depth"], "cost": plan["depth"]}
"""

STUDY = """\
study: depths
evaluate: "depths_trainer:evaluate"
baseline: {depth: 2}
space: {depth: {int: [1, 1000]}}
objectives: {error: {minimize: {}}, cost: {minimize: {}}}
search: {sampler: random, trials: 20}
"""

READERS = ("front", "show", "status", "report", "export", "retarget")
WRITERS = ("run", "worker")


@pytest.fixture(scope="session")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("depths")
    (folder / "depths_trainer.py").write_text(TRAINER)
    (folder / "depths.yaml").write_text(STUDY)
    assert invoke("run", folder / "depths.yaml").code == 0
    return folder


@pytest.fixture
def study(_run: Path, tmp_path: Path) -> Path:
    """Returns a study file with the database of 20 trials; a copy that a test may damage."""
    shutil.copytree(_run, tmp_path, dirs_exist_ok=True)
    return tmp_path / "depths.yaml"


def arguments(command: str, study: Path) -> list[Any]:
    """Returns the command line of a command on a study."""
    more = {"show": [1], "export": ["-o", study.parent / "exported"]}
    return [command, study, *more.get(command, [])]


def random_bytes(file: Path, offset: int, count: int) -> None:
    """Overwrites a part of a file."""
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(np.random.default_rng(0).bytes(count))


def damage_pages(file: Path) -> None:
    random_bytes(file, 2000, 4000)


def damage_late_pages(file: Path) -> None:
    random_bytes(file, file.stat().st_size // 2, 4000)


def truncate(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 3)


def replace_by_text(file: Path) -> None:
    file.write_text("this is not a database, but a text of more than a hundred characters " * 3)


@pytest.mark.parametrize("command", [*READERS, *WRITERS])
@pytest.mark.parametrize("damage", [damage_pages, damage_late_pages, truncate, replace_by_text])
def test_damaged_database_is_named_with_what_to_type(
    study: Path, cli: Cli, command: str, damage: Callable[[Path], None]
) -> None:
    file = database_of(study)
    damage(file)
    result = cli(*arguments(command, study))
    assert result.code == 2, result
    assert result.err.startswith(f"{file}: the study database is damaged: ")
    assert "Put the file back from a backup, or start again:\n  mv " in result.err
    assert "paretune run " in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", READERS)
def test_empty_file_has_no_study(study: Path, cli: Cli, command: str) -> None:
    file = database_of(study)
    file.write_bytes(b"")
    result = cli(*arguments(command, study))
    assert (result.code, result.err) == (
        2,
        f"{file}: there is no Paretune study in this database; start it with: "
        f"paretune run {min(os.path.relpath(study), str(study), key=len)}\n",
    )


def test_run_starts_again_when_the_file_is_empty(study: Path, cli: Cli) -> None:
    database_of(study).write_bytes(b"")  # as after a kill between creation and first write
    assert cli("run", study).code == 0
    assert len(record_of(study).trials) >= 21


@pytest.mark.parametrize("command", [*READERS, *WRITERS])
def test_folder_instead_of_the_database_is_refused(study: Path, cli: Cli, command: str) -> None:
    file = database_of(study)
    file.unlink()
    file.mkdir()
    result = cli(*arguments(command, study))
    assert (result.code, result.err) == (2, f"{file}: is a folder; a study database is a file\n")


@pytest.mark.parametrize("command", WRITERS)
def test_database_of_another_program_is_not_written(study: Path, cli: Cli, command: str) -> None:
    file = database_of(study)
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = file.read_bytes()
    result = cli(command, study)
    assert result.code == 2
    assert f"{file}: is the database of another program (it has the tables bookmarks)" in result.err
    assert file.read_bytes() == before


def test_missing_table_of_the_study_is_damage(study: Path, cli: Cli) -> None:
    with closing(sqlite3.connect(database_of(study))) as connection:
        connection.execute("DROP TABLE paretune_measurements")
    result = cli("show", study, 1)
    assert result.code == 2
    assert "is damaged: no such table: paretune_measurements" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("removed", ["database", "folder", "all files", "replaced"])
def test_run_ends_when_its_database_is_removed_meanwhile(
    tmp_path: Path, start: Callable[..., Any], removed: str
) -> None:
    (tmp_path / "slow_trainer.py").write_text(
        TRAINER.replace("    report(", "    import time; time.sleep(0.2)\n    report(")
    )
    study = tmp_path / "depths.yaml"
    study.write_text(STUDY.replace("depths_trainer", "slow_trainer").replace("20}", "1000}"))
    running = start("run", study)
    running.wait_for("trial   2 [")
    file = database_of(study)
    match removed:
        case "database":
            file.unlink()
        case "folder":
            shutil.rmtree(file.parent)
        case "all files":
            for one in file.parent.glob("study.db*"):
                one.unlink()
        case _:
            shutil.copy(file, tmp_path / "copy.db")
            (tmp_path / "copy.db").replace(file)
    assert running.ended() == 2
    text = running.log.read_text()
    what = "was replaced by another file" if removed == "replaced" else "is gone: it was removed"
    assert f"{file}: the study database {what} while a command used it" in text
    assert "Traceback" not in text
    assert "internal error" not in text


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_run_loses_no_trial_when_a_side_file_is_removed(
    tmp_path: Path, start: Callable[..., Any], ending: str
) -> None:
    (tmp_path / "side_trainer.py").write_text(
        TRAINER.replace("    report(", "    import time; time.sleep(0.1)\n    report(")
    )
    study = tmp_path / "depths.yaml"
    study.write_text(STUDY.replace("depths_trainer", "side_trainer"))
    running = start("run", study)
    running.wait_for("trial   2 [")
    database_of(study).with_name(f"study.db{ending}").unlink()
    assert running.ended() == 0, running.log.read_text()
    assert len([t for t in record_of(study).trials if t.repeat_of is None]) == 21
    assert find_damage(database_of(study)) is None


@pytest.mark.slow
def test_new_run_reuses_trained_stages_after_the_database_was_lost(
    finished: Path, cli: Cli
) -> None:
    file = database_of(finished)
    stages = {f: f.stat().st_ino for f in (file.parent / "stages").glob("*.safetensors")}
    damage_pages(file)
    refused = cli("run", finished)
    assert f"Not lost: {len(stages)} trained stages in {file.parent / 'stages'} and " in refused.err
    assert "a new run of the study takes trained stages from there" in refused.err
    file.rename(file.with_name("study.db.damaged"))
    assert cli("run", finished, "--trials", 2).code == 0
    trials = record_of(finished).trials
    assert all("pretrain" in trial.cached for trial in trials[:3])
    assert {f: f.stat().st_ino for f in stages} == stages


def test_locked_database_is_named(study: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    file = database_of(study)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = cli("run", study)
    assert result.code == 2
    assert f"{file}: another program holds the database locked; close it" in result.err


def test_full_disk_is_named(study: Path) -> None:
    url = f"sqlite:///{database_of(study)}"
    engine = open_engine(url)
    with (
        pytest.raises(DatabaseError, match="the disk is full; make room and type"),
        explained(url),
        engine.begin() as connection,
    ):
        pages = connection.execute(sa.text("PRAGMA page_count")).scalar_one()
        connection.execute(sa.text(f"PRAGMA max_page_count={pages}"))
        connection.execute(sa.text("CREATE TABLE more (text TEXT)"))
        for _ in range(100):
            connection.execute(sa.text("INSERT INTO more VALUES (:text)"), {"text": "x" * 9000})
    engine.dispose()


def test_read_only_database_is_named(study: Path) -> None:
    file = database_of(study)
    url = f"sqlite:///{file}"
    with (
        pytest.raises(DatabaseError, match="this user may not write the database"),
        explained(url),
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
    ):
        connection.execute("DELETE FROM paretune_trials")


def test_wrong_statement_passes_unchanged(study: Path) -> None:
    url = f"sqlite:///{database_of(study)}"
    with (
        pytest.raises(sqlite3.OperationalError, match="no such column"),
        explained(url),
        closing(sqlite3.connect(database_of(study))) as connection,
    ):
        connection.execute("SELECT unknown_column FROM paretune_trials")


def test_any_error_is_explained_when_pages_are_damaged(study: Path) -> None:
    damage_pages(database_of(study))
    with (
        pytest.raises(DatabaseError, match="damaged"),
        explained(f"sqlite:///{database_of(study)}"),
    ):
        raise KeyError("a column with other content")


def test_path_with_special_characters_is_checked(study: Path) -> None:
    file = database_of(study).with_name("a ?#%20 ü.db")
    shutil.copy(database_of(study), file)
    assert find_damage(file) is None
    random_bytes(file, 2000, 4000)
    assert find_damage(file)


def test_heartbeat_of_a_removed_database_prints_nothing(
    study: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.search.database.store import Store
    from paretune.search.running import worker

    monkeypatch.setattr(worker, "BEAT", 0.01)
    store = Store(open_engine(f"sqlite:///{database_of(study)}"))
    with pytest.raises(DatabaseError, match="is gone: it was removed"), worker.Worker(store):
        database_of(study).unlink()
        threading.Event().wait(0.1)
        store.heartbeat("me")
    assert not database_of(study).exists()
    assert "Traceback" not in capfd.readouterr().err


class Driver(Exception):
    """An error of a PostgreSQL driver."""

    def __init__(self, text: str, sqlstate: str | None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


Driver.__name__ = "OperationalError"


@pytest.mark.parametrize("sqlstate", [None, "08006", "57P01"])
def test_server_that_does_not_answer_is_named(sqlstate: str | None) -> None:
    driver = Driver("connection refused\nIs it running?", sqlstate)
    error = sa.exc.OperationalError("SELECT 1", {}, driver)
    text = problem_text("postgresql+psycopg://me:secret@host/db", error)
    assert text == (
        "storage: postgresql+psycopg://me:***@host/db: the database server does not answer: "
        "connection refused\n"
        "Finished trials are kept. Type the same command again when the server is back."
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("fe_sendauth: no password supplied", "refuses the login"),
        ('FATAL:  password authentication failed for user "me"', "refuses the login"),
        ('FATAL:  role "me" does not exist', "refuses the login"),
        ('FATAL:  database "db" does not exist', "has no such database"),
        ('could not translate host name "password-db"', "does not answer"),
    ],
)
def test_server_that_refuses_a_login_is_not_called_away(answer: str, expected: str) -> None:
    error = sa.exc.OperationalError("SELECT 1", {}, Driver(answer, None))
    text = str(problem_text("postgresql+psycopg://me:secret@host/db", error))
    assert f"the database server {expected}: {answer}\n" in text
    assert ("when the server is back" in text) == (expected == "does not answer")
    assert "secret" not in text


def test_deadlock_on_a_server_is_another_error() -> None:
    error = sa.exc.OperationalError("UPDATE", {}, Driver("deadlock detected", "40P01"))
    assert problem_text("postgresql://host/db", error) is None


def test_rows_wait_for_a_writer_as_long_as_the_engine() -> None:
    assert rows.BUSY_SECONDS == engine_module.BUSY_SECONDS


def test_commands_to_go_on_can_be_pasted_when_names_have_spaces(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my $HOME's"
    (folder / "st udy").mkdir(parents=True)
    (folder / "st udy.yaml").write_text(STUDY)
    replace_by_text(folder / "st udy" / "study.db")
    monkeypatch.chdir(folder)
    result = cli("front", "st udy.yaml")
    lines = [shlex.split(line) for line in result.err.splitlines()[2:4]]
    assert lines == [
        ["mv", "st udy/study.db", "st udy/study.db.damaged"],
        ["paretune", "run", "st udy.yaml"],
    ]
