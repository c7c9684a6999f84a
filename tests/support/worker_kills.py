"""Kills one of several workers of a study at random moments, and starts another in its place."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

from support.random_kills import (
    Kills,
    Pace,
    import_modules_of_a_run,
    log_of,
    run_to_its_end,
    started,
    trainer_file,
)
from support.studies import record_of

WORKERS = 3
"""Workers of a study."""

TRIALS = 60
"""Its trials: enough for several kills."""


def worker_kills(folder: Path, kills: int, seed: int) -> Kills:
    """Kills workers until the kills are spent, and compares each study with that of one worker.

    The plans of the sampler `random` depend on the number of a trial alone, so all must be equal.

    Args:
        folder: An empty folder.
        kills: Number of kills in all.
        seed: Seed of the moments.

    Raises:
        AssertionError: A trial was lost, run under another number or twice, or a run failed.
    """
    import_modules_of_a_run(_new_study(folder / "imports"))
    alone = _new_study(folder / "alone")
    undisturbed = run_to_its_end(alone)
    expected = _facts(alone)
    moments, done, studies, useful = random.Random(seed), 0, 0, 0
    while done < kills:
        studies += 1
        file = _new_study(folder / f"workers-{studies}")
        workers, code = [started(file) for _ in range(WORKERS)], None
        pace = Pace(file, undisturbed / 3, moments)
        while code is None and done < kills:
            pace.wait(workers)
            victim = workers.pop(moments.randrange(WORKERS))
            os.kill(victim, signal.SIGKILL)  # one that has ended stays until it is waited for
            ended = os.waitstatus_to_exitcode(os.waitpid(victim, 0)[1])
            if ended != -signal.SIGKILL:
                code = ended
                break
            done += 1
            useful += pace.has_progressed()
            workers.append(started(file))
        codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
        assert {*codes, code or 0} == {0}, log_of(file)
        run_to_its_end(file)  # removes the rows of dead workers
        assert _facts(file) == expected, f"{file} differs after {done} kills"
    return Kills(done, studies, useful, undisturbed)


def _new_study(folder: Path) -> Path:
    folder.mkdir()
    file = trainer_file(folder)
    text, short = file.read_text(), "trials: 25, seed: 3"
    assert short in text
    file.write_text(text.replace(short, f"trials: {TRIALS}, seed: 3, sampler: random"))
    return file


def _facts(file: Path) -> dict[str, Any]:
    record = record_of(file)
    return {
        "trials": [(t.number, t.state, dict(t.params), dict(t.values)) for t in record.trials],
        "front": sorted(t.number for t in record.front),
        "hypervolume": round(record.growth[-1].hypervolume or 0.0, 9),  # sums in another order
    }
