"""Throughput of workers on Ray beside plain workers: trials that sleep, on one PostgreSQL server.

    python tests/benchmarks/bench_ray.py [WORKERS] [TRIALS] [SECONDS]

Prints the trials per second of both between the first and the last trial, and their ratio. The
start of Ray and of the workers is left out: it is paid once for each run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from paretune.search.database.store import existing_store
from support.postgres import postgres
from support.ray_nodes import ray_nodes

TRAINER = """\
import time


def evaluate(plan, report):
    time.sleep({seconds})
    return {{"error": 1.0 / plan["depth"], "cost": float(plan["depth"])}}
"""

STUDY = """\
study: sleepy
evaluate: "sleepy_trainer:evaluate"
space: {{depth: {{int: [1, 1000000]}}}}
objectives: {{error: {{minimize: fraction}}, cost: {{minimize: ms}}}}
search: {{trials: {trials}, sampler: random}}
"""


def rate(arguments: list[str], trials: int, seconds: float, **environment: str) -> float:
    """Returns the trials per second of a run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sleepy_trainer.py").write_text(TRAINER.format(seconds=seconds))
        file = folder / "sleepy.yaml"
        file.write_text(STUDY.format(trials=trials))
        with postgres(folder / "postgres") as url:
            command = [sys.executable, "-m", "paretune", "run", str(file), "--storage", url]
            subprocess.run(
                [*command, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
            with existing_store(url.replace("postgresql://", "postgresql+psycopg://")) as store:
                ends = sorted(trial.finished or 0.0 for trial in store.record().trials)
    return (len(ends) - 1) / (ends[-1] - ends[0])


def main(workers: int = 4, trials: int = 60, seconds: float = 1.0) -> None:
    """Runs both sides and prints their ratio."""
    plain = rate(["--workers", str(workers)], trials, seconds)
    with ray_nodes(workers, "second") as nodes:
        arguments = ["--cluster", "ray", "--workers", str(workers)]
        ray = rate(arguments, trials, seconds, RAY_ADDRESS=nodes.address)
    print(f"{workers} workers, {trials} trials of {seconds:g} s: ideal {workers / seconds:.2f}/s")
    print(f"  plain workers {plain:.2f}/s, on Ray {ray:.2f}/s")
    print(f"  RATIO Ray / plain workers: {ray / plain:.3f} (target: 0.95)")


if __name__ == "__main__":
    texts = sys.argv[1:]
    main(*(kind(text) for kind, text in zip((int, int, float), texts, strict=False)))
