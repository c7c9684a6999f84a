"""Objects that were loaded before a run are not visited by the garbage collector meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from paretune.search.running.garbage import loaded_objects_unvisited


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_loaded_objects_are_visited_again_after_the_run() -> None:
    with pytest.raises(ValueError, match="the run failed"), loaded_objects_unvisited():
        assert gc.get_freeze_count() > 1000
        raise ValueError("the run failed")
    assert gc.get_freeze_count() == 0


def test_objects_that_the_program_has_frozen_stay_so() -> None:
    gc.freeze()
    with loaded_objects_unvisited():
        pass
    assert gc.get_freeze_count() > 0
