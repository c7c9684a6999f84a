"""Fixtures for all tests: a study small enough to run, and the command line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.command_line import Cli, CommandResult, invoke
from support.processes import Running, processes
from support.study_texts import TINY

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny networks: threads only wait for each other
os.environ["COLUMNS"] = "120"
# torch.compile: no pool of processes that import torch, and one cache for all workers of the tests.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir()) / "paretune-tests-inductor")
)
# The devices of tests are no devices of the user. The installers keep what they have downloaded.
_caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
os.environ.setdefault("UV_CACHE_DIR", str(_caches / "uv"))
os.environ.setdefault("PIP_CACHE_DIR", str(_caches / "pip"))
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / "paretune-tests-cache")
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # A measurement stops the training of other processes on the host. Each worker of the tests gets
    # another folder of locks, so that it does not stop the others.
    tempfile.tempdir = str(Path(tempfile.gettempdir()) / f"paretune-tests-{worker}")
    os.environ["TMPDIR"] = tempfile.tempdir
    Path(tempfile.tempdir).mkdir(exist_ok=True)


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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Returns `start("run", file)`: it starts a process that is killed at the end of the test."""
    with processes(tmp_path) as begin:
        yield begin
