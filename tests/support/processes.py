"""Processes of the command line: started, waited for, and killed at the end of a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A `paretune` process and the file of its output."""

    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, text: str, seconds: float = 240) -> None:
        """Waits until the process has printed the text."""
        end = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < end, f"no {text!r} in {self.log.read_text()!r}"
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def ended(self, signal_: int | None = None) -> int:
        """Sends a signal, if any, waits for the end, and returns the exit code."""
        if signal_ is not None:
            self.process.send_signal(signal_)
        return self.process.wait(480)


@contextmanager
def processes(folder: Path) -> Iterator[Callable[..., Running]]:
    """Yields `start("run", file)`; what it started and still runs is killed at the end.

    Args:
        folder: Folder of the files with the output.
    """
    running: list[Running] = []

    def begin(*arguments: object, **environment: str) -> Running:
        log = folder / f"process-{len(running)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "paretune", *map(str, arguments)],
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                # As from a terminal: a shell's background jobs, such as these tests, ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        running.append(Running(process, log))
        return running[-1]

    try:
        yield begin
    finally:
        for one in running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
