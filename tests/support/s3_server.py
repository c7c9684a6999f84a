"""A real S3 server on loopback: moto's, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class S3Server:
    """A server with one bucket, "bucket"; it can be stopped and started again, then empty.

    Attributes:
        url: Its endpoint.
    """

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **variables: str) -> None:
        """Starts the server; returns when it answers."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        environment = {**os.environ, **variables}
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5):
                return
            time.sleep(0.05)
        raise TimeoutError(f"no S3 server at {self.url}")

    def make_bucket(self) -> None:
        """Creates the bucket."""
        request = urllib.request.Request(f"{self.url}/bucket", method="PUT", data=b"")
        urllib.request.urlopen(request, timeout=60).close()

    def stop(self) -> None:
        """Stops the server."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def s3_server(**variables: str) -> Iterator[S3Server]:
    """Runs a server with its bucket."""
    server = S3Server()
    try:
        server.start(**variables)
        if not variables:
            server.make_bucket()
        yield server
    finally:
        server.stop()
