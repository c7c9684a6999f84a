"""One of several processes that run a study of plain Optuna on one database.

    python optuna_worker.py URL TRIALS SECONDS

The space, the figures and the length of a trial are those of `trivial.py`. Optuna has its defaults,
but for the sampler: the random one costs least.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import optuna
import trivial
from optuna.samplers import RandomSampler
from optuna.study import MaxTrialsCallback


def main() -> None:
    """Runs trials until the study has enough."""
    url, trials, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        figures = trivial.objective_of(trivial.study(Path(folder), trials))

    def objective(trial: Any) -> list[float]:
        time.sleep(seconds)
        return figures(trial)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="peer",
        storage=url,
        sampler=RandomSampler(),
        directions=["minimize"] * len(trivial.NAMES),
        load_if_exists=True,
    )
    study.optimize(objective, callbacks=[MaxTrialsCallback(trials, states=None)])


if __name__ == "__main__":
    main()
