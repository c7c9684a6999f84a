"""Python processes without the seconds of their imports: forked from one that has done them."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SERVER = Path(__file__).with_name("warm_server.py")

AVAILABLE = sys.platform == "linux"
"""Elsewhere a fork after the import of torch is not safe."""


class WarmServer:
    """The process that forks, of this process; it ends with this one."""

    def __init__(self) -> None:
        self._channel, other = socket.socketpair()
        self._codes: dict[int, int] = {}
        self._received = b""
        one_thread = {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "JE_ARROW_MALLOC_CONF": "background_thread:false",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(other.fileno())],
            pass_fds=[other.fileno()],
            env={**os.environ, **one_thread},
        )
        other.close()
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the server and what it has started."""
        self._channel.close()
        self._process.wait()

    def begin(self, request: Mapping[str, object]) -> int:
        """Starts a process; returns its number."""
        self._channel.sendall(json.dumps(request).encode() + b"\n")
        while (pid := self._receive(None)) is None:
            pass
        return pid

    def code(self, pid: int, seconds: float) -> int | None:
        """Returns the exit code of a process, as Popen does; None if it runs on that long."""
        end = time.monotonic() + seconds
        while pid not in self._codes:
            left = end - time.monotonic()
            ready = select.select([self._channel], [], [], max(0.0, left))[0]
            if not ready and left <= 0:
                return None
            if ready:
                self._receive(0.0)
        return self._codes[pid]

    def _receive(self, seconds: float | None) -> int | None:
        """Reads messages; returns the number of a process that began, if one of them says so."""
        began = None
        if select.select([self._channel], [], [], seconds)[0]:
            received = self._channel.recv(65536)
            assert received, "the process that forks has ended"
            *lines, self._received = (self._received + received).split(b"\n")
            for message in map(json.loads, lines):
                if "ended" in message:
                    self._codes[message["ended"]] = message["code"]
                else:
                    began = int(message["began"])
        return began


@cache
def warm_server() -> WarmServer:
    """Returns the server of this process, started when it is needed first."""
    return WarmServer()


class WarmProcess:
    """`python ARGUMENTS` as a process; it has the methods of Popen that tests use.

    Args:
        arguments: Arguments of the interpreter: `-m MODULE ...`, `-c CODE` or a file.
        folder: Its current folder.
        environment: Its environment.
        out: File for its standard output.
        err: File for its standard error; it may be the same.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        out: Path,
        err: Path,
    ) -> None:
        for log in (out, err):
            log.touch()  # as a shell does before the process begins
        self._server = warm_server()
        self.pid = self._server.begin(
            {
                "arguments": list(arguments),
                "folder": str(folder),
                "environment": dict(environment),
                "out": str(out.absolute()),
                "err": str(err.absolute()),
            }
        )

    def poll(self) -> int | None:
        """Returns the exit code, None while it runs."""
        return self._server.code(self.pid, 0.0)

    def wait(self, timeout: float = 3600.0) -> int:
        """Returns the exit code when it has ended."""
        code = self._server.code(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)


def run_python(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """Runs `python ARGUMENTS` to its end, without the seconds of its imports if possible.

    Args:
        arguments: Arguments of the interpreter.
        folder: Its current folder.
        environment: Its environment.
    """
    if not AVAILABLE:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    with tempfile.TemporaryDirectory() as name:
        out, err = Path(name) / "out", Path(name) / "err"
        code = WarmProcess(arguments, folder, environment, out, err).wait()
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())
