"""Kills a run at random moments, until it has done its trials; compares it with an undisturbed one.

Each run is a child of a process that has imported everything, so that a kill costs no import. Else
most kills would fall into imports, and none into the later trials.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.search.study_file.loading import load_study
from support.studies import database_of, record_of
from support.study_texts import TINY

TRAINER = """\
import hashlib
import time


def evaluate(plan, report):
    luck = int(hashlib.sha256(repr(sorted(plan.items())).encode()).hexdigest()[:8], 16) / 2**32
    for step in range(3):
        report(step, error=1.0 / (step + 1))
        time.sleep(0.002)
    return {"error": 1 / (1 + plan["width"] * plan["depth"]) + luck / 50, "size": plan["width"]}
"""

TRAINER_STUDY = """\
study: killed
evaluate: "MODULE:evaluate"
space:
  width: {float: [0.1, 1.0]}
  depth: {int: [1, 8]}
  kind: {choice: {sgd: {lr: {float: [1e-3, 1e-1], log: true}}, adam: {}}}
objectives: {error: minimize, size: minimize}
search: {trials: 25, seed: 3}
"""

STAGES_STUDY = TINY.replace("latency: {minimize: p50, seconds: 0.1}, ", "")


def trainer_file(folder: Path) -> Path:
    """Writes a study of a custom trainer; the figures depend on the plan alone."""
    module = f"killed_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    (folder / f"{module}.py").write_text(TRAINER)
    return _written(folder, TRAINER_STUDY.replace("MODULE", module))


def stages_file(folder: Path) -> Path:
    """Writes a study of real trainings; nothing in it is timed."""
    return _written(folder, STAGES_STUDY)


def _written(folder: Path, text: str) -> Path:
    file = folder / "killed.yaml"
    file.write_text(text)
    return file


AFTER_PROGRESS = 0.5
"""Share of the kills that wait for a stage or a trial to end first.

The others fall anywhere, on a busy host mostly before a run has ended anything."""

KINDS: dict[str, Callable[[Path], Path]] = {"trainer": trainer_file, "stages": stages_file}
"""Kind of study -> what writes it."""


@dataclass(frozen=True)
class Kills:
    """The outcome.

    Attributes:
        kills: Number of kills.
        studies: Number of studies that they were spread over.
        useful: Number of killed runs that had ended a stage or a trial.
        undisturbed: Seconds that the undisturbed run took.
    """

    kills: int
    studies: int
    useful: int
    undisturbed: float


class Pace:
    """The moments at which the runs of one study are killed.

    Args:
        file: The study.
        longest: Longest random time in seconds.
        random_: Chooses the moments.
    """

    def __init__(self, file: Path, longest: float, random_: random.Random) -> None:
        self._file, self._longest, self._random = file, longest, random_
        self._progress = 0

    def wait(self, runs: Collection[int]) -> None:
        """Waits until a run is to be killed, or one has ended.

        Args:
            runs: The process numbers of the runs.
        """
        if self._random.random() < AFTER_PROGRESS:
            while _ended_parts(self._file) == self._progress and not any(map(_has_ended, runs)):
                time.sleep(0.005)
        time.sleep(self._random.uniform(0, self._longest))

    def has_progressed(self) -> bool:
        """Returns whether a stage or a trial has ended since the last call.

        Raises:
            AssertionError: The database, a stage or an artifact is damaged.
        """
        before, self._progress = self._progress, _ended_parts(self._file)
        refuse_damage_of(self._file)
        return self._progress > before


def _has_ended(run: int) -> bool:
    """Returns whether a child process has ended; it stays to be waited for."""
    return os.waitid(os.P_PID, run, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def random_kills(kind: str, folder: Path, kills: int, seed: int) -> Kills:
    """Kills runs of a study at random moments, and compares each finished study.

    Args:
        kind: A key of KINDS.
        folder: An empty folder.
        kills: Number of kills in all.
        seed: Seed of the moments.

    Raises:
        AssertionError: A trial was lost or is another one, a file is damaged, or a run failed.
    """
    import_modules_of_a_run(_new_study(kind, folder / "imports"))
    expected_file = _new_study(kind, folder / "undisturbed")
    undisturbed = run_to_its_end(expected_file)
    expected = facts_of(expected_file)
    moments, done, studies, useful = random.Random(seed), 0, 0, 0
    while done < kills:
        studies += 1
        file = _new_study(kind, folder / f"killed-{studies}")
        pace = Pace(file, undisturbed / 2, moments)
        while True:
            code = _run(file, pace if done < kills else None)
            if code == 0:
                break
            assert code == -signal.SIGKILL, log_of(file)
            done += 1
            useful += pace.has_progressed()
        assert facts_of(file) == expected, f"{file} differs after {done} kills"
    return Kills(done, studies, useful, undisturbed)


def import_modules_of_a_run(file: Path) -> None:
    """Imports here what a run of the study imports, some of it only after many trials."""
    child = os.fork()
    names = file.with_suffix(".modules")
    if child == 0:
        with suppress(BaseException):
            _run_here(file)
            own = sys.modules.keys() - {path.stem for path in file.parent.glob("*.py")}
            names.write_text("\n".join(sorted(own)))
        os._exit(0)
    os.waitpid(child, 0)
    for name in names.read_text().splitlines():
        with suppress(Exception):
            importlib.import_module(name)
    import torch

    torch.set_num_threads(1)  # no thread of a pool is there when the process forks


def facts_of(file: Path) -> dict[str, Any]:
    """Returns what must be the same: all trials, the front, and Optuna's trials."""
    record = record_of(file)
    trials = [
        (t.number, t.state, dict(t.params), t.plan, dict(t.values), t.repeat_of, t.variant_of)
        for t in record.trials
    ]
    with closing(sqlite3.connect(database_of(file))) as connection:
        optuna = connection.execute("SELECT number, state FROM trials ORDER BY number").fetchall()
        left = connection.execute("SELECT id FROM paretune_workers").fetchall()
    assert left == [], "dead workers are left in the table"
    return {
        "trials": trials,
        "front": sorted(t.number for t in record.front),
        "members": sorted(record.growth[-1].members),
        "hypervolume": record.growth[-1].hypervolume,
        "optuna": optuna,
    }


def _ended_parts(file: Path) -> int:
    """Returns how many stages and trials have ended."""
    with _connection(file) as connection:
        if connection is None:
            return 0
        [[ended]] = connection.execute(
            "SELECT (SELECT count(*) FROM paretune_stages WHERE file <> 'dropped')"
            " + (SELECT count(*) FROM paretune_trials WHERE finished IS NOT NULL)"
        ).fetchall()
    return int(ended)


def refuse_damage_of(file: Path) -> None:
    """Looks for damage after a kill.

    Raises:
        AssertionError: The database, a stage or an artifact is damaged.
    """
    with _connection(file) as connection:
        if connection is None:
            return
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        rows = connection.execute(
            "SELECT file, sha256 FROM paretune_stages WHERE file <> 'dropped'"
        ).fetchall()
    for name, digest in rows:
        stored = file.with_suffix("") / name
        if stored.exists():
            assert hashlib.sha256(stored.read_bytes()).hexdigest() == digest, stored


@contextmanager
def _connection(file: Path) -> Iterator[sqlite3.Connection | None]:
    """Opens the database of a study; None before its tables are made."""
    database = database_of(file)
    if not database.exists():
        yield None
        return
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        yield connection if {"paretune_stages", "paretune_trials"} <= names else None


def _new_study(kind: str, folder: Path) -> Path:
    folder.mkdir()
    return KINDS[kind](folder)


def run_to_its_end(file: Path) -> float:
    """Runs a study in a child process, undisturbed; returns the seconds."""
    begun = time.monotonic()
    assert _run(file, None) == 0, log_of(file)
    return time.monotonic() - begun


def _run(file: Path, pace: Pace | None) -> int:
    """Runs a study in a child process, and kills it at a moment of `pace`.

    Returns:
        0, the exit code, or minus the signal that ended it.
    """
    child = started(file)
    if pace is not None:
        pace.wait([child])
        os.kill(child, signal.SIGKILL)  # a child that has ended stays until it is waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def started(file: Path) -> int:
    """Starts a child process that runs a study; returns its process number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with _log_file(file).open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            _run_here(file)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run_here(file: Path) -> None:
    from paretune.search.running.runner import Runner

    Runner(load_study(file), lambda event: None).run()


def _log_file(file: Path) -> Path:
    return file.with_suffix(".log")


def log_of(file: Path) -> str:
    """Returns the end of what the processes of a study printed."""
    return f"{file}: {_log_file(file).read_text()[-3000:]}"
