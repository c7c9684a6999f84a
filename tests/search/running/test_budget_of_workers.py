"""The budget is that of the study: several workers run exactly as many trials as one would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from support.studies import database_of, record_of

TRAINER = """\
import os
import time
from pathlib import Path

STARTED = Path(__file__).parent / "started"


def evaluate(plan, report):
    STARTED.mkdir(exist_ok=True)
    (STARTED / str(os.getpid())).touch()
    while len(list(STARTED.iterdir())) < 3:  # until all workers run a trial at once
        time.sleep(0.01)
    return {"error": 1.0 / plan["depth"], "cost": float(plan["depth"])}
"""

STUDY = """\
study: shared_budget
evaluate: "shared_budget_trainer:evaluate"
space: {depth: {int: [1, 1000000]}}
objectives: {error: minimize, cost: minimize}
search: {trials: 7, seed: 1}
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_three_workers_run_exactly_the_trials_of_the_budget(tmp_path: Path) -> None:
    (tmp_path / "shared_budget_trainer.py").write_text(TRAINER)
    file = tmp_path / "shared.yaml"
    file.write_text(STUDY)
    command = [sys.executable, "-m", "paretune", "run", file, "--workers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = record_of(file).trials
    assert [trial.number for trial in trials] == [1, 2, 3, 4, 5, 6, 7]
    assert {trial.state for trial in trials} == {"complete"}
    assert [trial for trial in trials if trial.repeat_of is not None] == []
    engine = open_engine(f"sqlite:///{database_of(file)}")
    with engine.connect() as connection:
        rows = connection.execute(tables.trials.select()).mappings().all()
    engine.dispose()
    assert len({row["worker"] for row in rows}) == 3
