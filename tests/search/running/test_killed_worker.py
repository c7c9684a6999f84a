"""One of several workers of a run is killed: the others run its trial, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.studies import record_of

TRAINER = """\
import os
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def evaluate(plan, report):
    with (FOLDER / "calls").open("a") as calls:
        calls.write(f"{os.getpid()} {plan['depth']}\\n")
    while (FOLDER / "gate").exists():
        time.sleep(0.02)
    return {"error": 1.0 / plan["depth"], "cost": float(plan["depth"])}
"""

STUDY = """\
study: killed
evaluate: "MODULE:evaluate"
space: {depth: {int: [1, 1000000]}}
objectives: {error: {minimize: fraction}, cost: {minimize: ms}}
search: {trials: 9, seed: 1, sampler: random}
"""


def study_in(folder: Path) -> Path:
    folder.mkdir()
    module = f"trainer_of_{folder.name}"
    (folder / f"{module}.py").write_text(TRAINER)
    file = folder / "killed.yaml"
    file.write_text(STUDY.replace("MODULE", module))
    return file


def run(file: Path, workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "paretune", "run", str(file), "--workers", str(workers)]
    with (file.parent / "log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True)


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str], log: Path) -> Any:
    """Returns the first true value of a condition; fails if the run ends before."""
    while process.poll() is None:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def calls_of(file: Path) -> list[tuple[int, int]]:
    """Returns (process, depth) of each call of the trainer."""
    calls = file.parent / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_worker_of_a_run_loses_no_trial(tmp_path: Path) -> None:
    alone, file = study_in(tmp_path / "alone"), study_in(tmp_path / "several")
    assert run(alone, 1).wait() == 0
    gate, log = file.parent / "gate", file.parent / "log"
    gate.touch()
    process = run(file, 3)
    try:
        wait_for(lambda: len({pid for pid, _ in calls_of(file)}) == 3, process, log)
        killed, depth = next(call for call in calls_of(file) if call[0] != process.pid)
        os.kill(killed, signal.SIGKILL)
        wait_for(
            lambda: f"(process {killed}) was killed by signal 9" in log.read_text(), process, log
        )
        gate.unlink()
        assert process.wait() == 0, log.read_text()
    finally:
        process.kill()
    expected, record = record_of(alone), record_of(file)
    trials = {trial.number: dict(trial.params) for trial in record.trials}
    assert trials == {trial.number: dict(trial.params) for trial in expected.trials}
    assert {trial.state for trial in record.trials} == {"complete"}
    assert sorted(t.number for t in record.front) == sorted(t.number for t in expected.front)
    counts = Counter(depth for _, depth in calls_of(file))
    assert counts == {**dict.fromkeys(counts, 1), depth: 2}
    told = [log, *file.parent.glob("killed/worker-*.log")]
    assert sum("its worker died; going on with it" in each.read_text() for each in told) == 1
