"""A run that is killed at any moment loses nothing: 100 kills (tests/long/random_kills.py)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "long" / "random_kills.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "kills"), [("trainer", 60), ("stages", 20), ("workers", 20)])
def test_killed_study_has_the_same_trials_and_front(kind: str, kills: int) -> None:
    command = [sys.executable, SCRIPT, "--study", kind, "--kills", str(kills), "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    line = re.match(rf"{kind}: {kills} kills in \d+ studies, (\d+) of runs", done.stdout)
    assert line and int(line[1]) >= kills / 4, f"few kills fell into the trials: {done.stdout}"
