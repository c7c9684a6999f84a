"""Objects that were loaded before a run are not visited by the garbage collector meanwhile."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.running.garbage import LoadedObjects


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_loaded_objects_are_visited_again_after_the_run() -> None:
    with pytest.raises(ValueError, match="the run failed"), LoadedObjects():
        assert gc.get_freeze_count() > 1000
        raise ValueError("the run failed")
    assert gc.get_freeze_count() == 0


def test_objects_that_the_program_has_frozen_stay_so() -> None:
    gc.freeze()
    with LoadedObjects() as loaded:
        loaded.look()
    assert gc.get_freeze_count() > 0


def test_objects_of_modules_loaded_meanwhile_are_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"loaded_later_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text("kept = [[i] for i in range(5000)]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    with LoadedObjects() as loaded:
        before = gc.get_freeze_count()
        loaded.look()
        assert gc.get_freeze_count() == before  # nothing was loaded
        module = importlib.import_module(name)
        loaded.look()
        assert gc.get_freeze_count() >= before + len(module.kept)
    monkeypatch.delitem(sys.modules, name)
