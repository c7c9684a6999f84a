"""Throughput of several workers on one host, the engine's cost of a trial, and errors of locks.

    throughput    trials that sleep a second; the share of the time in which the workers sleep
    engine        processor time of a trial of many workers, without their start; the peer is as
                  many processes of plain Optuna with its random sampler
    locks         trials of 50 ms for some time: no worker may see a lock of the database

The peer of the throughput is the ideal: N workers that do nothing but sleep. The start of the
processes is left out: the time counts from when each worker has ended a trial.

Targets: at least 0.9 of the ideal with 4 workers on SQLite and 8 on PostgreSQL; at most 10 ms of
engine and sampler for a trial, with 10,000 trials and 8 workers; no error of a lock in ten minutes
of 8 workers on SQLite and 16 on PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))

import trivial

from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from support.postgres import postgres

TRAINER = """\
import time

import trivial


def evaluate(plan, report):
    time.sleep({seconds})
    return trivial.evaluate(plan, report)
"""

WORKERS = {"sqlite": (1, 2, 4), "postgresql": (1, 4, 8)}
"""Database -> numbers of workers for the throughput; the last one has a target."""

LOCKED = {"sqlite": 8, "postgresql": 16}
"""Database -> number of workers that look for locks."""

ERRORS = re.compile(
    r"database is locked|database table is locked|deadlock detected|lock timeout"
    r"|could not serialize|OperationalError|Traceback",
    re.IGNORECASE,
)
"""What a worker or a server says of a lock, or of any other error."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        ends: Worker -> Unix times at which its trials ended, in order.
        states: State -> number of trials.
        processor: Seconds of processor time of all workers.
        errors: Lines of the workers and of the server that report an error.
    """

    ends: dict[str, list[float]]
    states: dict[str, int]
    processor: float
    errors: list[str]

    @property
    def trials(self) -> int:
        """Number of trials."""
        return sum(self.states.values())

    def share(self, seconds: float) -> float:
        """Returns the share of their time in which the workers did trials of some seconds."""
        begin = max(ends[0] for ends in self.ends.values())
        counted = [[end for end in ends if end >= begin] for ends in self.ends.values()]
        later = sum(len(ends) - 1 for ends in counted if ends)
        spans = sum(ends[-1] - ends[0] for ends in counted if ends)
        return later * seconds / spans if spans else 1.0


def run(database: str, workers: int, seconds: float, sampler: str, *limits: str) -> Run:
    """Runs a study of trials that sleep.

    Args:
        database: A key of WORKERS.
        workers: Number of processes.
        seconds: Length of a trial.
        sampler: The study's sampler.
        limits: Options that end the run.
    """
    with (
        tempfile.TemporaryDirectory(prefix="paretune-bench-") as name,
        served(database, name) as url,
    ):
        folder = Path(name)
        file = trivial.study_file(folder)
        (folder / "sleepy.py").write_text(TRAINER.format(seconds=seconds))
        text = file.read_text().replace("trivial:evaluate", "sleepy:evaluate")
        file.write_text(text.replace("{seed: 0}", f"{{seed: 0, sampler: {sampler}}}"))
        log = folder / "worker-1.log"
        command = [sys.executable, "-m", "paretune", "run", str(file), "--storage", url]
        before = children_seconds()
        with log.open("w") as output:
            done = subprocess.run(
                [*command, "--workers", str(workers), *limits],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        processor = children_seconds() - before
        errors = list(lines_of_errors(folder))
        if done.returncode:
            errors.append(f"exit code {done.returncode}: {log.read_text()[-1000:]}")
        return Run(*trials_of(url), processor, errors)


def optuna_seconds(database: str, workers: int, trials: int, seconds: float) -> float:
    """Returns the processor time of plain Optuna with as many processes."""
    script = Path(__file__).with_name("optuna_worker.py")
    with (
        tempfile.TemporaryDirectory(prefix="paretune-bench-") as name,
        served(database, name) as url,
    ):
        command = [sys.executable, str(script), url, str(trials), str(seconds)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        before = children_seconds()
        first = subprocess.Popen(command, env=environment)
        while not _has_study(url):  # creating one table twice is an error in Optuna
            time.sleep(0.1)
        others = [subprocess.Popen(command, env=environment) for _ in range(workers - 1)]
        codes = [process.wait() for process in (first, *others)]
        assert not any(codes), codes
        return children_seconds() - before


def _has_study(url: str) -> bool:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(sa.text("SELECT 1 FROM studies")).first() is not None
    except sa.exc.DBAPIError:
        return False
    finally:
        engine.dispose()


@contextmanager
def served(database: str, folder: str) -> Iterator[str]:
    """Yields the URL of an empty database; of a server of its own, if it needs one."""
    if database == "sqlite":
        yield f"sqlite:///{folder}/study.db"
        return
    with postgres(Path(folder) / "postgres") as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


def children_seconds() -> float:
    """Returns the processor time of the commands that have ended, with their workers."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def lines_of_errors(folder: Path) -> Iterator[str]:
    """Yields what the workers and the server have reported."""
    for log in (*folder.rglob("worker-*.log"), *folder.glob("postgres/log*")):
        if log.is_file():
            lines = log.read_text(errors="replace").splitlines()
            for number, line in enumerate(lines):
                if "Traceback" in line and "KeyboardInterrupt" in "".join(lines[number:]):
                    break  # the run has ended it, after its work
                if "Traceback" in line:
                    yield "\n".join([f"{log.name}:", *lines[number:]])
                    break
                if ERRORS.search(line):
                    yield f"{log.name}: {line}"


def trials_of(url: str) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Returns worker -> times at which its trials ended, and state -> number of trials."""
    t = tables.trials.c
    engine = open_engine(url)
    with engine.connect() as connection:
        statement = sa.select(t.worker, t.state, t.finished).where(
            t.number > 0, t.repeat_of.is_(None)
        )
        rows = connection.execute(statement.order_by(t.finished)).all()
    engine.dispose()
    ends: dict[str, list[float]] = defaultdict(list)
    states: dict[str, int] = defaultdict(int)
    for worker, state, finished in rows:
        states[state] += 1
        if finished is not None:
            ends[worker].append(finished)
    return dict(ends), dict(states)


# -- what is printed -----------------------------------------------------------------------------


def throughput(database: str, numbers: list[int], seconds: float, each: int) -> None:
    """Compares some numbers of workers with the ideal.

    Args:
        database: A key of WORKERS.
        numbers: Numbers of workers.
        seconds: Length of a trial.
        each: Trials for each worker.
    """
    print(f"throughput, {database}, trials of {seconds:g} s, {each} for each worker")
    for workers in numbers:
        trials = each * workers
        done = run(database, workers, seconds, "auto", "--trials", str(trials))
        assert done.states == {"complete": trials}, (done.states, done.errors)
        share = done.share(seconds)
        target = " (target: 0.9)" if workers == WORKERS[database][-1] else ""
        rate = share * workers / seconds
        print(f"  {workers} workers: {rate:.2f} trials a second, {len(done.ends)} took part")
        print(f"  RATIO {workers} workers on {database} / ideal: {share:.3f}{target}", flush=True)


def engine(database: str, workers: int, trials: int, seconds: float) -> None:
    """Prints the processor time of a trial.

    Args:
        database: A key of WORKERS.
        workers: Number of workers.
        trials: Number of trials.
        seconds: Length of a trial; it sleeps.
    """
    start = run(database, workers, seconds, "auto", "--trials", str(workers))
    done = run(database, workers, seconds, "auto", "--trials", str(trials))
    assert done.states == {"complete": trials}, (done.states, done.errors)
    cost = 1000 * (done.processor - start.processor) / max(trials - start.trials, 1)
    print(f"engine, {database}, {workers} workers, {trials} trials of {1000 * seconds:g} ms")
    print(f"  start and end of the workers  {start.processor:9.1f} s of processor time once")
    print(f"  engine and sampler            {cost:9.2f} ms a trial (target: 10)")
    print(f"  RATIO engine and sampler / 10 ms: {cost / 10:.3f}", flush=True)
    started = optuna_seconds(database, workers, workers, seconds)
    peer = 1000 * (optuna_seconds(database, workers, trials, seconds) - started)
    peer /= max(trials - workers, 1)
    print(f"  plain Optuna, random          {peer:9.2f} ms a trial")
    print(f"  RATIO engine and sampler / plain Optuna, random: {cost / peer:.3f}", flush=True)


def locks(database: str, workers: int, limit: float, seconds: float) -> bool:
    """Counts the errors of a run with very short trials; returns whether there was none.

    Args:
        database: A key of WORKERS.
        workers: Number of workers.
        limit: Seconds of the run, if each trial took only its sleep.
        seconds: Length of a trial.
    """
    trials = ("--trials", str(round(workers * limit / seconds)))
    done = run(database, workers, seconds, "random", "--time", f"{max(limit, 60):g}s", *trials)
    failed = done.trials - done.states.get("complete", 0)
    errors = len(done.errors) + failed
    print(f"locks, {database}, {workers} workers, {limit:g} s, trials of {1000 * seconds:g} ms")
    states = ", ".join(f"{count} {state}" for state, count in sorted(done.states.items()))
    print(f"  {done.trials} trials ({states}), {len(done.errors)} lines of errors")
    for line in done.errors[:10]:
        print(f"    {line}")
    print(f"  RATIO errors / trials: {errors / max(done.trials, 1):.6f}", flush=True)
    return not errors


def main() -> int:
    """Runs the parts; returns 1 if a run had errors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts, databases = ("throughput", "engine", "locks"), tuple(WORKERS)
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--databases", nargs="+", choices=databases, default=databases)
    parser.add_argument("--workers", type=int, nargs="+", help="in place of the usual numbers")
    parser.add_argument("--sleep", type=float, default=1.0, help="of the throughput (1 s)")
    parser.add_argument("--each", type=int, default=20, help="its trials for each worker (20)")
    parser.add_argument("--trials", type=int, default=10_000, help="of the engine (10000)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of the locks (600)")
    options = parser.parse_args()
    clean = True
    for database in options.databases:
        most = max(options.workers) if options.workers else None
        if "throughput" in options.parts:
            numbers = options.workers or WORKERS[database]
            throughput(database, list(numbers), options.sleep, options.each)
        if "engine" in options.parts:
            engine(database, most or 8, options.trials, 0.05)
        if "locks" in options.parts:
            clean &= locks(database, most or LOCKED[database], options.seconds, 0.05)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
