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

from support.warm_process import AVAILABLE, WarmProcess

ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A `paretune` process and the file of its output."""

    process: subprocess.Popen[str] | WarmProcess
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


NEEDS_IMPORTS = {"run", "worker", "optimize"}
"""Commands that import torch, which a forked process need not do."""


def _cold(command: list[str], variables: dict[str, str], log: Path) -> subprocess.Popen[str]:
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=variables,
            # As from a terminal: a shell's background jobs, such as these tests, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def _warm(command: list[str], variables: dict[str, str], log: Path) -> WarmProcess:
    return WarmProcess(command, ROOT, variables, log, log)


@contextmanager
def processes(folder: Path) -> Iterator[Callable[..., Running]]:
    """Yields `start("run", file)`; what it started and still runs is killed at the end.

    Args:
        folder: Folder of the files with the output.
    """
    running: list[Running] = []

    def begin(*arguments: object, **environment: str) -> Running:
        log = folder / f"process-{len(running)}.log"
        command = ["-m", "paretune", *map(str, arguments)]
        variables = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        start = _warm if AVAILABLE and NEEDS_IMPORTS & {*command} else _cold
        running.append(Running(start(command, variables, log), log))
        return running[-1]

    try:
        yield begin
    finally:
        for one in running:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
