"""The environment of LiteRT's converter: when it is used, and what goes wrong while it is made."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from paretune.objectives.runtimes import litert_environment
from paretune.objectives.runtimes.litert_converter import converter_python, no_converter
from paretune.objectives.runtimes.litert_environment import REQUIREMENTS, prepared_python
from support.command_line import Cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the environment, in a data folder of the test."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME"
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("PARETUNE_LITERT_PYTHON", raising=False)
    return tmp_path / "paretune" / "litert"


def make_up(folder: Path, ready: str) -> Path:
    """Writes a Python that can be run, and the file that says what the environment holds."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (folder / "paretune-setup.json").write_text(ready)
    return python


def stand_in_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Puts a program `uv` on the path that runs a script of the shell."""
    folder.mkdir()
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(litert_environment.sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


posix = pytest.mark.skipif(sys.platform == "win32", reason="its programs are scripts of a shell")


@posix
def test_environment_is_used_when_its_file_has_the_requirements(folder: Path) -> None:
    python = make_up(folder, json.dumps({"requirements": list(REQUIREMENTS)}))
    assert prepared_python() == converter_python() == str(python)
    assert no_converter() is None


@posix
@pytest.mark.parametrize(
    "ready", ["", "[]", "{", '{"requirements": ["litert-torch>=0.1"]}'], ids=repr
)
def test_environment_is_not_used_when_it_is_incomplete_or_of_another_version(
    folder: Path, ready: str
) -> None:
    make_up(folder, ready)
    assert prepared_python() is None


@posix
def test_variable_goes_before_the_environment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_up(folder, json.dumps({"requirements": list(REQUIREMENTS)}))
    other = make_up(tmp_path / "other", "")
    monkeypatch.setenv("PARETUNE_LITERT_PYTHON", str(other))
    assert converter_python() == str(other)


def test_setup_says_how_to_install_uv_when_there_is_none(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert_environment.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    result = cli("setup", "litert", "--yes")
    assert result.code == 2
    assert "setup litert: uv, which makes the environment, is not installed; pip in" in result.err


@posix
def test_dry_run_tells_packages_and_disk_and_makes_nothing(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_uv(tmp_path / "bin", monkeypatch, "printf 'torch==2.14.1\\nxdsl==0.28.0\\n'")
    result = cli("setup", "litert", "--dry-run")
    assert result.code == 0
    assert f"uv will install 2 packages into {folder}:\ntorch==2.14.1, xdsl==0.28.0" in result.out
    assert "up to 7 GB of disk" in result.out and "GB are free" in result.out
    assert not folder.exists()


@posix
def test_failed_install_exits_with_2_and_leaves_no_environment_in_use(
    cli: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_up(folder, '{"requirements": ["older"]}')
    script = """
case "$1 $2" in
  "pip install") exit 1 ;;
  "pip compile") echo torch==2.14.1 ;;
esac"""
    stand_in_uv(tmp_path / "bin", monkeypatch, script)
    result = cli("setup", "litert", "--yes")
    assert result.code == 2
    assert "setup litert: uv pip install failed" in result.err
    assert not (folder / "paretune-setup.json").exists()
    assert prepared_python() is None


@posix
def test_requirements_that_uv_cannot_resolve_exit_with_2(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_uv(tmp_path / "bin", monkeypatch, "echo no solution for torch >&2; exit 1")
    result = cli("setup", "litert", "--yes")
    assert result.code == 2
    assert "uv pip compile failed: no solution for torch" in result.err


def test_setup_of_another_runtime_exits_with_2(cli: Cli) -> None:
    assert cli("setup", "onnxruntime").code == 2
