"""Worker processes of a run, and the threads that each of them trains with."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paretune.objectives.host import cores
from paretune.objectives.idle_threads import let_idle_threads_sleep
from paretune.search.shell import STORAGE_VARIABLE, path_argument
from paretune.search.study.spec import StudySpec
from paretune.search.trial.events import Notice, Reporter

GPUS = "CUDA_VISIBLE_DEVICES"

ENDS_BY_ITSELF = (0, 130)
"""Exit codes of a worker that has done its work, or was interrupted."""


def threads_per_worker(workers: int) -> int:
    """Returns the number of training threads of each worker on this machine.

    The cores are divided among the workers: threads that wait for each other make training
    several times as slow. The load of other programs does not count, as the number of threads
    decides the last bits of the weights (`objectives.idle_threads`). OMP_NUM_THREADS, which a user
    or a cluster sets, can lower the number
    (https://www.openmp.org/spec-html/5.0/openmpse50.html).
    """
    share = max(1, cores() // workers)
    limit = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(share, int(limit)) if limit.isdecimal() and int(limit) else share


def set_training_threads(spec: StudySpec, threads: int) -> None:
    """Sets the training threads of this process; a custom trainer sets its own."""
    if spec.trainer is None:
        import torch

        torch.set_num_threads(threads)


@contextmanager
def training_threads(spec: StudySpec, threads: int) -> Iterator[None]:
    """Sets the training threads of this process, and puts the old number back at the end.

    The process may be a user's notebook, which has other work afterwards.
    """
    if spec.trainer is not None:
        yield
        return
    let_idle_threads_sleep()
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gpus_of(spec: StudySpec) -> list[str]:
    """Returns the GPUs for the workers of a run, one each; empty unless there are several.

    CUDA_VISIBLE_DEVICES limits them, as it does for torch. A custom trainer chooses by itself.
    """
    if spec.trainer is not None or spec.device not in ("auto", "cuda"):
        return []
    import torch

    count = torch.cuda.device_count()
    names = [n.strip() for n in os.environ.get(GPUS, "").split(",") if n.strip()]
    gpus = names[:count] if names else [str(number) for number in range(count)]
    return gpus if len(gpus) > 1 else []


def default_workers(spec: StudySpec) -> int:
    """Returns how many workers run if the user asks for no number: one per GPU, else one."""
    return max(1, len(gpus_of(spec)))


@contextmanager
def worker_processes(
    spec: StudySpec,
    workers: int,
    study: str,
    options: Sequence[str] = (),
    report: Reporter = lambda event: None,
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Starts the other workers of a run, and terminates them at the end of the block.

    On a machine with several GPUs each worker gets one, in turn; this process keeps the first.

    Args:
        spec: The study.
        workers: Number of processes, this one included.
        study: STUDY as the user typed it.
        options: Further options of `paretune worker`.
        report: Receives a notice if one of them dies.

    Yields:
        The other processes.
    """
    command = [sys.executable, "-m", "paretune", "worker", path_argument(study)]
    if spec.trials is not None:
        command += ["--trials", str(spec.trials)]
    if spec.seconds is not None:
        command += ["--time", f"{math.ceil(spec.seconds)}s"]
    command += _shown_options(options)
    command += ["--threads", str(threads_per_worker(workers))]
    spec.folder.mkdir(parents=True, exist_ok=True)
    gpus = gpus_of(spec) if workers > 1 else []
    if gpus:
        import torch

        torch.cuda.set_device(0)
    processes = []
    for number in range(2, workers + 1):
        gpu = {GPUS: gpus[(number - 1) % len(gpus)]} if gpus else {}
        with _log_of(spec, number).open("w") as log:
            processes.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**_environment(spec), **gpu},
                )
            )
    over = threading.Event()
    for number, process in enumerate(processes, 2):
        watcher = (process, number, _log_of(spec, number), over, report)
        threading.Thread(target=_tell_death, args=watcher, daemon=True).start()
    try:
        yield processes
    finally:
        over.set()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _log_of(spec: StudySpec, number: int) -> Path:
    return spec.folder / f"worker-{number}.log"


def _tell_death(
    process: subprocess.Popen[bytes],
    number: int,
    log: Path,
    over: threading.Event,
    report: Reporter,
) -> None:
    """Waits for the end of a worker, and tells the user if it died. Others take its trial over."""
    code = process.wait()
    if over.is_set() or code in ENDS_BY_ITSELF:
        return
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    report(
        Notice(
            f"worker {number} (process {process.pid}) {how}; the others go on with its trial. "
            f"Its output: {log}"
        )
    )


def _shown_options(options: Sequence[str]) -> list[str]:
    """Returns the options without `--set storage=...`, as every user of the host sees them."""
    pairs = zip(options, [*options, ""][1:], strict=True)
    hidden = {i + k for i, (a, b) in enumerate(pairs) if _sets_storage(a, b) for k in (0, 1)}
    return [word for index, word in enumerate(options) if index not in hidden]


def _sets_storage(option: str, value: str) -> bool:
    return option == "--set" and value.split("=")[0].strip() == "storage"


def _environment(spec: StudySpec) -> dict[str, str]:
    """Returns the environment of another worker; it holds the storage, which may have a password.

    It imports modules from the folder of the script that called `Study.run`, too.
    """
    script_folder = sys.path[0] if sys.path and Path(sys.path[0]).is_dir() else ""
    paths = [script_folder, os.environ.get("PYTHONPATH", "")]
    variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), STORAGE_VARIABLE: spec.storage}
    return {**os.environ, **variables}
