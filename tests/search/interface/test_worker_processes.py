"""The training threads of each worker of a run."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from paretune.search.interface.worker_processes import (
    default_workers,
    gpus_of,
    threads_per_worker,
    worker_processes,
)
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, Notice


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


@pytest.mark.parametrize(
    ("count", "variable", "device", "gpus"),
    [
        (0, None, "auto", []),
        (1, None, "auto", []),
        (2, None, "auto", ["0", "1"]),
        (2, "3,5", "cuda", ["3", "5"]),
        (2, "GPU-a, GPU-b", "auto", ["GPU-a", "GPU-b"]),
        (2, None, "cpu", []),
    ],
)
def test_run_has_one_worker_per_gpu(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    variable: str | None,
    device: str,
    gpus: list[str],
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    spec = load_study(tiny, [f"device={device}"])
    assert gpus_of(spec) == gpus
    assert default_workers(spec) == max(1, len(gpus))


@pytest.mark.slow
def test_death_of_a_worker_is_told(tiny: Path) -> None:
    events: list[Event] = []
    spec = load_study(tiny, ["device=cpu"])
    with worker_processes(spec, 2, str(tiny), report=events.append) as [process]:
        os.kill(process.pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while not events:
            assert time.monotonic() < end
            time.sleep(0.01)
    [notice] = events
    assert isinstance(notice, Notice)
    assert notice.text.startswith(f"worker 2 (process {process.pid}) was killed by signal 9; ")
    assert notice.text.endswith("worker-2.log")
