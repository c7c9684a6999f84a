"""The notebook of the examples runs from its first cell to its last, and shows what it should."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "examples" / "notebook" / "digits.ipynb"


def read_notebook(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)


def texts_of(notebook: Any) -> list[str]:
    """Returns the outputs of each code cell as one text."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            parts = [output.get("text", "") for output in cell.outputs]
            parts += [
                data
                for output in cell.outputs
                for kind, data in output.get("data", {}).items()
                if kind in ("text/plain", "text/html")
            ]
            texts.append("\n".join(parts))
    return texts


def test_notebook_is_stored_without_outputs() -> None:
    notebook = read_notebook(NOTEBOOK)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 10
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # of the kernel's client
def test_notebook_runs_and_shows_front_progress_and_verified_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    shutil.copy(NOTEBOOK, tmp_path)
    monkeypatch.chdir(tmp_path)
    notebook = read_notebook(tmp_path / NOTEBOOK.name)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    texts = texts_of(notebook)
    shown = "\n".join(texts)
    assert "this_process:Digits" in shown
    [progress] = [text for text in texts if "[5/5]" in text]
    assert "all 5 trials are done" in progress
    assert sum("<svg" in text for text in texts) == 1
    assert re.search(r"all \d+ checks passed", texts[-2])
    assert re.search(r"all \d+ checks passed", texts[-1])
    assert (tmp_path / "digits-export" / "manifest.json").is_file()
    [share] = [text for text in texts if re.fullmatch(r"\s*(0\.\d+|1\.0)\s*", text)]
    assert float(share) > 0.6
