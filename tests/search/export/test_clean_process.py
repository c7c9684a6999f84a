"""The clean process: it runs a model without Paretune, and its crash is not the checker's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paretune.search.export.clean_process import CleanFailure, CleanProcess

SOURCE = """\
import numpy as np

def prepare(examples):
    return np.array([len(x) for x in examples]) if isinstance(examples, list) else examples * 2.0

def load(path):
    {load}
    return lambda inputs: inputs + 1

if __name__ == "__main__":
    print("shown", __file__)
"""


def started(process: CleanProcess, folder: Path, load: str = "pass") -> str:
    source = SOURCE.format(load=load)
    process.start(source, folder / "load.py", folder / "model")
    return source


def test_process_takes_examples_and_returns_logits(tmp_path: Path) -> None:
    with CleanProcess() as process:
        source = started(process, tmp_path, "print('a library prints hello')")
        images = np.arange(4, dtype=np.uint8).reshape(2, 2)
        assert np.array_equal(process.prepare(images), images * 2.0)
        assert np.array_equal(process(images), images * 2.0 + 1)
        assert process.run_as_program(source, tmp_path / "x.py") == f"shown {tmp_path / 'x.py'}\n"
        assert process.paretune_modules() == []


def test_process_takes_texts_with_any_characters(tmp_path: Path) -> None:
    with CleanProcess() as process:
        started(process, tmp_path)
        assert process(["", "äöü", "a\nb\0c"]).tolist() == [1, 4, 6]


def test_process_goes_on_after_an_error(tmp_path: Path) -> None:
    with CleanProcess() as process:
        with pytest.raises(CleanFailure, match=r"^ValueError: no luck$"):
            started(process, tmp_path, "raise ValueError('no luck\\nat all')")
        started(process, tmp_path)
        assert process(np.ones((1, 1))).tolist() == [[3.0]]


def test_crash_ends_the_clean_process_alone(tmp_path: Path) -> None:
    with CleanProcess() as process:
        with pytest.raises(CleanFailure, match="the process ended with -11"):
            started(process, tmp_path, "import os; os.kill(os.getpid(), 11)")
        with pytest.raises(CleanFailure, match="the process ended"):
            process(np.ones((1, 1)))


def test_current_folder_and_pythonpath_are_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        CleanProcess() as process,
        pytest.raises(CleanFailure, match="No module named 'trap'"),
    ):
        started(process, tmp_path, "import trap")
