"""What a busy host costs: the quickstart, `export` and `verify`, quiet and beside busy processes.

Each command is a separate process, as a user types it. The sides run in turn:

    quiet      alone on the host
    busy       beside processes that compute without a pause, one for each core by default
    no wait    the same, with --no-wait

For each, wall and processor time are printed. The peer is the quiet side of the same run. A study
starts anew on each side. Its baseline trial is timed by its own record, as the second peer: a run
should not take much longer than its networks need. What the training of the other trials takes is
printed beside, also in baseline trials: no run with the same trials takes less.

Targets: the quickstart busy in at most 2.5 times its quiet time, and in at most 10 times its
baseline trial; `export` and `verify` in at most 10 s on a busy host.

With `--env` the quickstart alone runs, quiet and busy, for each setting: how long the threads of
GNU's OpenMP spin while they wait, or how many there are. 300000 turns are its own default:

    bench_busy.py --env GOMP_SPINCOUNT=300000 --env GOMP_SPINCOUNT=0 --env OMP_NUM_THREADS=1
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from paretune.objectives.host import cores
from paretune.search.interface.reading import read_record

QUICKSTART = Path(__file__).parents[2] / "studies" / "quickstart.yaml"

PARETUNE = [sys.executable, "-m", "paretune"]

TRAINING = ("pretrain", "finetune")
"""The stages of the quickstart that train."""

BUSY = "while True: sum(range(10**5))"

BASELINE = re.compile(r"^baseline .*\((?P<seconds>[\d.]+) s\)$", re.MULTILINE)


@dataclass
class Side:
    """A way to run the commands.

    Attributes:
        name: Printed name.
        busy: Number of busy processes beside them.
        options: Further options of each command.
        environment: Further environment variables.
        wall: Command -> seconds by the wall clock of each run.
        cpu: Command -> seconds of processor time of each run, children included.
        baseline: Seconds of the baseline trial of each run.
        training: Seconds of training in all other trials of each run.
    """

    name: str
    busy: int = 0
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    baseline: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)

    def run(self, overrides: list[str], verifies: bool) -> None:
        """Runs the commands once in a new folder."""
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name, busy(self.busy):
            study = Path(name) / "quickstart.yaml"
            study.write_text(QUICKSTART.read_text())
            settings = [word for text in overrides for word in ("--set", text)]
            printed = self._time("run", [str(study), *settings], name)
            self.baseline += [float(m["seconds"]) for m in BASELINE.finditer(printed)]
            self.training.append(training_seconds(study.with_suffix("") / "study.db"))
            if verifies:
                exported = str(Path(name) / "exported")
                pick = ["--pick", "baseline", "-o", exported]
                self._time("export", [str(study), *pick], name)
                self._time("verify", [exported], name)

    def _time(self, command: str, arguments: list[str], folder: str) -> str:
        """Runs a command; returns what it printed."""
        variables = {**os.environ, **self.environment, "TMPDIR": folder}  # no other study's locks
        begun, before = time.perf_counter(), _children()
        done = subprocess.run(
            [*PARETUNE, command, *arguments, *self.options],
            env=variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wall.setdefault(command, []).append(time.perf_counter() - begun)
        self.cpu.setdefault(command, []).append(_children() - before)
        if done.returncode > 1:  # 1: a check of the export found a difference, or no front
            raise SystemExit(f"paretune {command} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def median(self, command: str) -> float:
        """Returns the median wall time of a command in seconds."""
        return statistics.median(self.wall[command])


def training_seconds(database: Path) -> float:
    """Returns the seconds that all trials but the baseline have trained."""
    trials = read_record(f"sqlite:///{database}").trials
    seconds = [trial.seconds for trial in trials if trial.number and trial.repeat_of is None]
    return sum(each.get(stage, 0.0) for each in seconds for stage in TRAINING)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keeps processes computing during the body."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
        for other in others:
            other.wait()


def _children() -> float:
    """Returns the processor time of ended children, in seconds; the busy ones end later."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sides_of(options: argparse.Namespace) -> list[Side]:
    """Returns the sides that the options ask for; the first one is the peer."""
    if not options.env:
        no_wait = ("--no-wait",)
        return [
            Side("quiet"),
            Side("busy", options.busy),
            Side("no wait", options.busy, no_wait),
        ]
    return [
        Side(f"{kind}, {text}", count, environment=dict([text.split("=", 1)]))
        for text in options.env
        for kind, count in (("quiet", 0), ("busy", options.busy))
    ]


def show(sides: list[Side]) -> None:
    """Prints the figures of each side, and the ratios to the first one."""
    first = sides[0]
    for side in sides:
        for command in side.wall:
            cpu = statistics.median(side.cpu[command])
            print(
                f"  {side.name:32} {command:7} {side.median(command):8.1f} s, {cpu:8.1f} s of CPU"
            )
        if side.baseline:
            print(f"  {side.name:32} baseline {statistics.median(side.baseline):8.1f} s")
    for side in sides[1:]:
        for command in side.wall:
            ratio = side.median(command) / first.median(command)
            target = " (target: 2.5)" if command == "run" else ""
            print(f"  RATIO {command}, {side.name} / {first.name}: {ratio:.2f}{target}")
    for side in sides:
        if side.baseline:
            ratio = side.median("run") / statistics.median(side.baseline)
            print(f"  RATIO run / its baseline trial, {side.name}: {ratio:.1f} (target: 10)")
            ratio = statistics.median(side.training) / statistics.median(side.baseline)
            print(f"  RATIO training of the other trials / the same, {side.name}: {ratio:.1f}")


def main() -> None:
    """Runs all sides in turn, and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", type=int, default=cores(), help="busy processes")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C", dest="overrides")
    options = parser.parse_args()
    print(f"quickstart on {cores()} cores, beside {options.busy} busy processes")
    sides = sides_of(options)
    for _ in range(options.repeats):
        for side in sides:
            side.run(options.overrides, verifies=not options.env)
    show(sides)


if __name__ == "__main__":
    main()
