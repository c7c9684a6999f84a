"""The process that runs Ultralytics, where it cannot run; the package is not needed here."""

import ast
import copy
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import paretune.search.tasks
from paretune.search.errors import UserError
from paretune.search.tasks.ultralytics import ultralytics_task
from paretune.search.tasks.ultralytics_process.client import UltralyticsProcess

ROOT = Path(paretune.search.tasks.__file__).resolve().parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("ultralytics") is not None, reason="ultralytics is installed here"
)
def test_missing_package_says_what_to_install_and_why_paretune_does_not(tmp_path):
    process = UltralyticsProcess(
        {"model": "m", "data": "d", "imgsz": 32, "batch": 1, "args": {}}, tmp_path, None
    )

    with pytest.raises(UserError, match=r"not installed .* AGPL-3.0.* pip install ultralytics"):
        process.call("facts")


def test_missing_interpreter_is_named(tmp_path):
    process = UltralyticsProcess({}, tmp_path, str(tmp_path / "python"))

    with pytest.raises(UserError, match=r"python: .*python cannot be started: No such file"):
        process.call("facts")


def test_process_that_ends_is_reported_with_its_last_words(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 3\n")
    program.chmod(0o755)
    process = UltralyticsProcess({}, tmp_path, str(program))

    with pytest.raises(UserError, match="its process ended: out of luck"):
        process.call("facts")


def test_copies_share_the_process_and_pickles_start_their_own(tmp_path):
    process = UltralyticsProcess({"model": "m"}, tmp_path, None)

    assert copy.deepcopy(process) is process
    assert pickle.loads(pickle.dumps(process)).options == process.options


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"imgsz": 300}, "imgsz must be a multiple of 32, not 300; type 288"),
        ({"args": {"rect": True}}, "args.rect cannot be set here"),
        ({"args": {"imgsz": 320}}, "args.imgsz cannot be set here"),
    ],
)
def test_settings_that_the_task_fixes_are_refused(options, text):
    with pytest.raises(UserError, match=text):
        ultralytics_task(model="yolo11n.yaml", data="cells.yaml", **options)


@pytest.mark.slow
def test_only_the_program_of_the_process_imports_the_package():
    """Ultralytics is under AGPL-3.0; no other file may import it, and no file may import that."""
    importing = set()
    for file in ROOT.rglob("*.py"):
        if {".venv", "tests", "paretune", "docs"} & set(file.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.partition(".")[0] == "ultralytics" for name in names):
                importing.add(file.name)
            assert not any(name.endswith("ultralytics_process.worker") for name in names), file
    assert importing == {"worker.py"}


def test_the_package_is_no_dependency():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]

    assert not any("ultralytics" in each for group in groups for each in group)


@pytest.mark.slow
def test_the_program_starts_without_paretune_on_its_path(tmp_path):
    """Another interpreter has no Paretune: the files beside the program suffice."""
    program = ROOT / "search" / "tasks" / "ultralytics_process" / "worker.py"
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(program.parent)!r}); "
        f"runpy.run_path({str(program)!r}); assert 'paretune' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=120)
