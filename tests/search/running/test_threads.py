"""How many threads a run trains with."""

from __future__ import annotations

import os

import pytest

from paretune.search.commands.running import _threads


@pytest.mark.parametrize(
    ("cores", "workers", "wanted", "expected"),
    [
        (8, 1, None, 8),
        (8, 2, None, 4),
        (2, 5, None, 1),
        (8, 1, "3", 3),
        (8, 4, "3", 2),
        (8, 1, "3,2", 3),
        (8, 1, "0", 8),
        (8, 1, "", 8),
        (8, 1, "many", 8),
    ],
)
def test_cores_are_divided_and_no_more_are_taken_than_the_user_wants(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, wanted: str | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    if wanted is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert _threads(workers) == expected
