"""Every benchmark runs, with sizes too small to mean anything, and prints its ratios."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SMALL = {
    "bench_data.py": ["--images", "256", "--repeats", "1"],
    "bench_distillation.py": ["--seeds", "1", "--epochs", "1"],
    "bench_engine.py": ["--trials", "5"],
    "bench_front.py": ["--trials", "40", "--every", "20"],
    "bench_latency.py": ["--repeats", "2"],
    "bench_pruning.py": ["--epochs", "1", "--images", "128"],
    "bench_training.py": ["--images", "128", "--repeats", "1"],
}


@pytest.mark.benchmark
@pytest.mark.parametrize("script", sorted(path.name for path in HERE.glob("bench_*.py")))
def test_benchmark_prints_its_ratio(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *SMALL[script]],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  RATIO .*: \d+\.\d+", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.benchmark
def test_engine_benchmark_prints_memory_when_paretune_runs_alone() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "bench_engine.py"), "--trials", "5", "--alone"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert "peak memory of this process" in done.stdout
