"""Fixtures for all tests: a study small enough to run, and the command line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.command_line import Cli, CommandResult, invoke
from support.study_texts import TINY

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny networks: threads only wait for each other
os.environ["COLUMNS"] = "120"
# torch.compile: no pool of processes that import torch, and one cache for all workers of the tests.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir()) / "paretune-tests-inductor")
)
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # A measurement stops the training of other processes on the host. Each worker of the tests gets
    # another folder of locks, so that it does not stop the others.
    tempfile.tempdir = str(Path(tempfile.gettempdir()) / f"paretune-tests-{worker}")
    os.environ["TMPDIR"] = tempfile.tempdir
    Path(tempfile.tempdir).mkdir(exist_ok=True)

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the longest tests first, so that no worker runs one alone at the end."""
    marks = ("timeout", "benchmark", "heavy", "slow")
    items.sort(key=lambda item: [mark not in item.keywords for mark in marks])


@pytest.fixture(name="cli", scope="session")
def cli_fixture() -> Cli:
    """Returns the command line: `cli("check", file)` -> code, out, err."""
    return invoke


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Switches denormals on again after a run, as numbers in other tests need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Returns a study file that runs in seconds."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    return folder, invoke("run", folder / "tiny.yaml")


@pytest.fixture(scope="session")
def first_run(_finished: tuple[Path, CommandResult]) -> CommandResult:
    """Returns the result of the run of the finished study."""
    return _finished[1]


@pytest.fixture
def finished(_finished: tuple[Path, CommandResult], tmp_path: Path) -> Path:
    """Returns the tiny study file after its run; a copy that a test may change."""
    shutil.copytree(_finished[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "tiny.yaml"


@dataclass
class Running:
    """A `paretune` process and the file of its output."""

    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Waits until the process has printed the text."""
        end = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < end, f"no {text!r} in {self.log.read_text()!r}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def ended(self, signal_: int | None = None) -> int:
        """Sends a signal, if any, waits for the end, and returns the exit code."""
        if signal_ is not None:
            self.process.send_signal(signal_)
        return self.process.wait(240)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Returns `start("run", file)`: it starts a process that is killed at the end of the test."""
    running: list[Running] = []

    def begin(*arguments: object, **environment: str) -> Running:
        log = tmp_path / f"process-{len(running)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "paretune", *map(str, arguments)],
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                # As from a terminal: a shell's background jobs, such as these tests, ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        running.append(Running(process, log))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
