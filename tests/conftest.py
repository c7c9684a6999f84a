"""Shared by all tests: a study small enough to run for real, and the command line in process."""

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
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Who measures stops the training of others on the host: not that of another worker's tests.
    tempfile.tempdir = str(Path(tempfile.gettempdir()) / f"paretune-tests-{worker}")
    os.environ["TMPDIR"] = tempfile.tempdir
    Path(tempfile.tempdir).mkdir(exist_ok=True)

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: ("timeout" not in item.keywords, "slow" not in item.keywords))


@pytest.fixture(name="cli", scope="session")
def cli_fixture() -> Cli:
    """`cli("check", file)` -> code, out, err."""
    return invoke


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """A run flushes denormals for its process; made-up numbers of other tests need them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A study file that runs in seconds."""
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
    """What the run of the finished study printed."""
    return _finished[1]


@pytest.fixture
def finished(_finished: tuple[Path, CommandResult], tmp_path: Path) -> Path:
    """The tiny study file, after its run; a copy that a test may change."""
    shutil.copytree(_finished[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "tiny.yaml"


@dataclass
class Running:
    """A `paretune` process and what it printed so far."""

    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Returns when the process has printed the text."""
        end = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < end, f"no {text!r} in {self.log.read_text()!r}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def ended(self, signal_: int | None = None) -> int:
        """Sends a signal and gives the exit code."""
        if signal_ is not None:
            self.process.send_signal(signal_)
        return self.process.wait(240)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """`start("run", file)`: a real process, killed at the end of the test."""
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
                # As from a terminal: a shell's background job, tests among it, ignores Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        running.append(Running(process, log))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
