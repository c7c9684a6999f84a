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
from collections.abc import Callable
from contextlib import closing, suppress
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


IDLE_KILLS = 5
"""After this many kills in a row that left the study as it was, runs get more time."""

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
    """How long the runs of one study may last until they are killed.

    Attributes:
        longest: Longest time in seconds. It grows while kills leave the study as it was.

    Args:
        file: The study.
        longest: The time to begin with.
    """

    def __init__(self, file: Path, longest: float) -> None:
        self._file, self.longest = file, longest
        self._idle, self._progress = 0, 0

    def has_progressed(self) -> bool:
        """Returns whether a stage or a trial has ended since the last call.

        Raises:
            AssertionError: The database, a stage or an artifact is damaged.
        """
        before, self._progress = self._progress, progress_after_kill(self._file)
        if self._progress > before:
            self._idle = 0
            return True
        self._idle += 1
        if self._idle >= IDLE_KILLS:  # the host is busier than it was for the undisturbed run
            self.longest, self._idle = 1.5 * self.longest, 0
        return False


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
        pace = Pace(file, undisturbed / 2)
        while True:
            seconds = moments.uniform(0, pace.longest) if done < kills else None
            code = _run(file, seconds)
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


def progress_after_kill(file: Path) -> int:
    """Returns how many stages and trials have ended.

    Raises:
        AssertionError: The database, a stage or an artifact is damaged.
    """
    database = database_of(file)
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'paretune_stages'"
        ).fetchall():
            return 0  # killed before the tables were made
        rows = connection.execute(
            "SELECT file, sha256 FROM paretune_stages WHERE file <> 'dropped'"
        ).fetchall()
        [[ended]] = connection.execute(
            "SELECT count(*) FROM paretune_trials WHERE finished IS NOT NULL"
        ).fetchall()
    for name, digest in rows:
        stored = file.with_suffix("") / name
        if stored.exists():
            assert hashlib.sha256(stored.read_bytes()).hexdigest() == digest, stored
    return len(rows) + int(ended)


def _new_study(kind: str, folder: Path) -> Path:
    folder.mkdir()
    return KINDS[kind](folder)


def run_to_its_end(file: Path) -> float:
    """Runs a study in a child process, undisturbed; returns the seconds."""
    begun = time.monotonic()
    assert _run(file, None) == 0, log_of(file)
    return time.monotonic() - begun


def _run(file: Path, seconds: float | None) -> int:
    """Runs a study in a child process, and kills it after some seconds.

    Returns:
        0, the exit code, or minus the signal that ended it.
    """
    child = started(file)
    if seconds is not None:
        time.sleep(seconds)
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
