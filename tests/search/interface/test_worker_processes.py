"""The training threads of each worker of a run."""

from __future__ import annotations

import os

import pytest

from paretune.search.interface.worker_processes import threads_per_worker


@pytest.mark.parametrize(
    ("cores", "workers", "variable", "expected"),
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
def test_threads_are_cores_divided_by_workers_and_at_most_omp_num_threads(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, variable: str | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    if variable is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert threads_per_worker(workers) == expected
