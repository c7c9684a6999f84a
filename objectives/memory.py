"""The objective `memory`: memory that a new process needs to load and run the artifact."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from paretune.inputs import sizes
from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.on_device.windows import device_memory
from paretune.objectives.params import Params as Base
from paretune.objectives.timing.estimates import median_of
from paretune.objectives.timing.inputs import validation_batch

ROOT = Path(__file__).parents[2]

WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from paretune.objectives.memory_worker import main
main()
"""

PATIENCE = 300
"""Seconds that a process may take to start, load and run."""

RUNS = 3
"""Inferences in each process. Some runtimes allocate more memory at the second inference."""


class Memory:
    """Peak memory that loading and running the artifact adds to a process with the runtime alone.

    A new process imports the runtime, but neither torch nor Paretune's engine unless the runtime
    needs them. It notes its resident memory and resets its high-water mark
    (/proc/self/clear_refs). Then it loads and runs the artifact. The value is the rise of VmHWM in
    /proc/self/status above the noted memory, so the memory of the empty process cancels. On CUDA
    it is the peak of torch's allocator, for runtimes that use it. Systems other than Linux use
    ru_maxrss.
    """

    name = "memory"
    unit = "bytes"
    better: Better = "lower"
    cost = 2
    alone = False
    """Other work on the host does not change the value."""

    class Params(Base):
        """Options of memory."""

        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        repeats: int = Field(
            4, ge=2, le=100, description="processes that measure; their scatter gives the interval"
        )

    @staticmethod
    def unavailable(runtime: Any = None, options: Any = None) -> str | None:
        """Returns why it cannot be measured here, or None if it can."""
        if os.name == "posix":
            return None
        return "this system does not report a process's peak memory (Linux and macOS do)"

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the processes, two at a time; the value is their median.

        Raises:
            Unmeasurable: A process could not load or run the artifact, or took too long.
        """
        import numpy as np

        if subject.device is not None:
            return device_memory(Memory, subject, params, RUNS)
        inputs = validation_batch(subject.data, params.batch)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"input_{index}.npy" for index in range(len(inputs))]
            for file, array in zip(files, inputs, strict=True):
                np.save(file, array)
            task = json.dumps(
                {
                    "runtime": _path_of(subject.runtime),
                    "options": subject.options.model_dump(),
                    "artifact": str(Path(subject.artifact.path).resolve()),
                    "inputs": [str(file) for file in files],
                    "runs": RUNS,
                    "path": [entry for entry in sys.path if entry],
                }
            )
            results: list[dict[str, Any]] = []
            for start in range(0, params.repeats, 2):
                results += _run_workers([task] * min(2, params.repeats - start))
        peak = median_of([float(result["bytes"]) for result in results])
        interval = (max(0.0, peak.value - peak.half), peak.value + peak.half)
        conditions = {
            "batch": params.batch,
            "shape": sizes(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "method": results[0]["method"],
            "empty_bytes": results[0]["empty"],
            "processes": len(results),
        }
        return measurement(Memory, peak.value, interval, len(results), conditions)


def _path_of(runtime: Any) -> str:
    """Returns the dotted path of a runtime's class."""
    return f"{runtime.__module__}:{runtime.__qualname__}"


def _run_workers(tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Runs one new process for each task, all at once, and returns their results.

    Raises:
        Unmeasurable: A process failed or took too long.
    """
    command = [sys.executable, "-I", "-c", WORKER, str(ROOT)]
    # The number of arenas that the C library makes varies with the timing of threads: allow one.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    pipes: dict[str, Any] = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    processes = [subprocess.Popen(command, text=True, env=environment, **pipes) for _ in tasks]
    results = []
    try:
        for task, process in zip(tasks, processes, strict=True):
            output, error_output = process.communicate(task, PATIENCE)
            if process.returncode != 0:
                last = (error_output.strip().splitlines() or ["without a message"])[-1]
                raise Unmeasurable(f"the process that loads the artifact failed: {last}")
            results.append(json.loads(output.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired as error:
        raise Unmeasurable(
            f"the process that loads the artifact took more than {PATIENCE} s"
        ) from error
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return results
