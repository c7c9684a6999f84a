"""The live page: time until a page has ten thousand trials, and what it costs a running study.

opening    from the request to the whole state, for the first page and for one that comes later;
           an update after one more trial. Target: the first state in two seconds
running    a study whose trials take no time, or compute for `--work` seconds each, runs alone,
           and beside a server with open pages. The sides run in turn. Printed are the ratio of
           the run's processor time, and the server's processor time as a share of the run's
           time. Target: less than 2 %. The server has shown another study before, so that its
           start, a second, does not count
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import trivial

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.made_up_study import MadeUpStudy

TICKS = os.sysconf("SC_CLK_TCK")


class Served:
    """A server of one study.

    Args:
        study: The study file, or its folder.
    """

    def __init__(self, study: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "paretune", "serve", str(study), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        found = re.search(r":(\d+)/", self.process.stdout.readline())
        assert found is not None
        self.port = int(found[1])

    def get(self, path: str) -> bytes:
        """Returns the content of an address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path)
        content = connection.getresponse().read()
        connection.close()
        return content

    def page(self, study: str) -> socket.socket:
        """Opens a page: a connection that receives events."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=600)
        path = f"/api/studies/{study}/events?since=0"
        opened.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        return opened

    @property
    def seconds(self) -> float:
        """Processor time so far."""
        return processor_seconds(self.process.pid)

    def end(self) -> None:
        """Ends the server."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


def processor_seconds(pid: int) -> float:
    """Returns the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def served(study: Path) -> Iterator[Served]:
    """Serves a study during the block."""
    server = Served(study)
    try:
        yield server
    finally:
        server.end()


def opening(trials: int, repeats: int) -> None:
    """Prints how long a page waits for its state."""
    with tempfile.TemporaryDirectory() as folder:
        study = MadeUpStudy(Path(folder), trials)
        first, later, size = [], [], 0
        for _ in range(repeats):
            with served(study.file) as server:
                server.get("/")  # the process has started
                for times in (first, later):
                    begun = time.perf_counter()
                    size = len(server.get("/api/studies/made-up"))
                    times.append(time.perf_counter() - begun)
        study.close()
    print(f"opening, {trials} trials, {size / 1e6:.2f} MB compressed")
    print(f"  first state    {statistics.median(first):8.3f} s (target: 2)")
    print(f"  later pages    {statistics.median(later):8.3f} s")


WORK = "BENCH_WORK"
"""Environment variable: seconds that each trial computes; `trivial` reads it."""


def run_seconds(spec_folder: Path, trials: int, pages: int) -> tuple[float, float, float]:
    """Runs a study, with pages or alone.

    Returns:
        Processor time of the run and of the server, and time of the run.
    """
    file = trivial.study_file(spec_folder)
    command = [sys.executable, "-m", "paretune", "run", str(file), "--trials", str(trials)]
    MadeUpStudy(spec_folder, 20, "shown-before").close()
    with ExitStack() as stack:
        server = stack.enter_context(served(spec_folder)) if pages else None
        before = 0.0
        if server is not None:
            server.get("/api/studies/shown-before")  # imports all code
            before = server.seconds
        begun = time.perf_counter()
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        if server is not None:
            while not (spec_folder / "trivial" / "study.db").is_file():
                time.sleep(0.01)
            while server.get("/api/studies/trivial").startswith(b"{"):  # an error: not found yet
                time.sleep(0.1)
            for _ in range(pages):
                stack.enter_context(closing(server.page("trivial")))
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
        assert run.returncode == 0, run.returncode
        spent = time.perf_counter() - begun
        own = server.seconds - before if server is not None else 0.0
        return usage.ru_utime + usage.ru_stime, own, spent


def running(trials: int, pages: int, repeats: int) -> None:
    """Prints what a server with open pages costs a running study."""
    alone, beside, shares = [], [], []
    for _ in range(repeats):
        for side, count in ((alone, 0), (beside, pages)):
            with tempfile.TemporaryDirectory() as folder:
                seconds, own, spent = run_seconds(Path(folder), trials, count)
            side.append(seconds)
            if count:
                shares.append(own / spent)
    ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
    work = f"compute for {os.environ[WORK]} s" if WORK in os.environ else "take no time"
    print(f"running, {trials} trials that {work}, {pages} open pages")
    print(f"  processor time of the run   {statistics.median(alone):8.2f} s alone")
    print(f"  RATIO beside a server / alone: {ratio:.3f} (target: 1.02)")
    share = statistics.median(shares)
    print(f"  RATIO server / run, processor time over time: {share:.3f} (target: 0.02)")


def main() -> None:
    """Runs both parts."""
    parser: Any = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000, help="trials of the study to open")
    parser.add_argument("--run", type=int, default=1000, help="trials of the study to run")
    parser.add_argument("--work", type=float, default=0.0, help="seconds that a trial computes")
    parser.add_argument("--pages", type=int, default=5, help="open pages")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of each side")
    options = parser.parse_args()
    if options.work:
        os.environ[WORK] = str(options.work)
    opening(options.trials, options.repeats)
    running(options.run, options.pages, options.repeats)


if __name__ == "__main__":
    main()
