"""The driver: it answers jobs line by line, and reports imported modules of Paretune."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from paretune.search.export.clean_process import DRIVER, CleanProcess

SOURCE = """\
def prepare(examples):
    return examples

def load(path):
    {load}
    return lambda inputs: inputs + 1
"""


def test_driver_answers_each_job_with_a_line_of_json(tmp_path: Path) -> None:
    np.save(tmp_path / "examples.npy", np.zeros((2, 3)))
    source = SOURCE.format(load="print('a library prints hello')")
    jobs = [
        {"do": "start", "source": source, "file": "load.py", "model": "model.onnx"},
        {"do": "run"},
        {"do": "no such job"},
    ]

    process = subprocess.run(
        [sys.executable, "-I", DRIVER, tmp_path],
        input="\n".join(map(json.dumps, jobs)),
        capture_output=True,
        text=True,
        check=True,
    )

    first, second, third = (json.loads(line) for line in process.stdout.splitlines())
    assert first == second == {"error": None}
    assert third["error"].startswith("AttributeError: ")
    assert np.load(tmp_path / "logits.npy").tolist() == [[1.0] * 3] * 2
    assert "a library prints hello" in process.stderr


def test_imported_modules_of_paretune_are_reported(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    source = SOURCE.format(load=f"import sys; sys.path.append({str(root)!r}); import paretune")
    with CleanProcess() as process:
        process.start(source, tmp_path / "load.py", tmp_path / "model")
        assert process.paretune_modules() == ["paretune"]
