"""Memory that the artifact takes in a process of its own."""

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

from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
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
"""Inferences: a runtime takes memory for its second that it did not for its first."""


class Memory:
    """Peak resident memory of a clean process that loads and runs it, above the runtime's own.

    The process imports the runtime, and neither torch nor Paretune's engine where that has no use
    for them. Its resident memory is noted, its high-water mark is set back (/proc/self/clear_refs),
    and then the artifact is loaded and run: the value is how far VmHWM of /proc/self/status rises
    above what was noted, so that the empty process cancels in the same process. On CUDA it is the
    peak of torch's allocator, in the runtimes that use it. Other systems than Linux: ru_maxrss.
    """

    name = "memory"
    unit = "bytes"
    better: Better = "lower"
    cost = 2
    alone = False
    """Other work on the host does not change it."""

    class Params(Base):
        """Options of memory."""

        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        repeats: int = Field(4, ge=2, le=100, description="processes, whose spread is the interval")

    @staticmethod
    def unavailable(runtime: Any = None, options: Any = None) -> str | None:
        """Why it cannot be measured here, or None."""
        if os.name == "posix":
            return None
        return "this system does not tell a process its peak memory (Linux and macOS do)"

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Starts the processes, two at a time; the value is their median.

        Raises:
            Unmeasurable: A process could not load or run the artifact, or took too long.
        """
        import numpy as np

        inputs = validation_batch(subject.data, params.batch)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "inputs.npy"
            np.save(file, inputs)
            task = json.dumps(
                {
                    "runtime": _path_of(subject.runtime),
                    "options": subject.options.model_dump(),
                    "artifact": str(Path(subject.artifact.path).resolve()),
                    "inputs": str(file),
                    "runs": RUNS,
                    "path": [entry for entry in sys.path if entry],
                }
            )
            told: list[dict[str, Any]] = []
            for start in range(0, params.repeats, 2):
                told += _told([task] * min(2, params.repeats - start))
        found = median_of([float(one["bytes"]) for one in told])
        ends = (max(0.0, found.value - found.half), found.value + found.half)
        conditions = {
            "batch": params.batch,
            "shape": list(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "method": told[0]["method"],
            "empty_bytes": told[0]["empty"],
            "processes": len(told),
        }
        return measurement(Memory, found.value, ends, len(told), conditions)


def _path_of(runtime: Any) -> str:
    """The dotted path of a runtime's class."""
    return f"{runtime.__module__}:{runtime.__qualname__}"


def _told(tasks: Sequence[str]) -> list[dict[str, Any]]:
    """What clean processes say that run at once, one for each task.

    Raises:
        Unmeasurable: One failed.
    """
    command = [sys.executable, "-I", "-c", WORKER, str(ROOT)]
    # One arena: how many the C library makes depends on which threads meet.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    pipes: dict[str, Any] = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    running = [subprocess.Popen(command, text=True, env=environment, **pipes) for _ in tasks]
    found = []
    try:
        for task, process in zip(tasks, running, strict=True):
            said, error = process.communicate(task, PATIENCE)
            if process.returncode != 0:
                last = (error.strip().splitlines() or ["no word"])[-1]
                raise Unmeasurable(f"the process that loads the artifact failed: {last}")
            found.append(json.loads(said.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired as error:
        raise Unmeasurable(
            f"the process that loads the artifact took more than {PATIENCE} s"
        ) from error
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return found
