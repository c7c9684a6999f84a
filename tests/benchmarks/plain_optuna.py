"""Continues a study of Paretune with plain Optuna, from the Optuna tables of its database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from paretune.spaces.domains import Choice, Domain, Float, Int

SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "TPE": lambda: TPESampler(seed=0),
    "random": lambda: RandomSampler(seed=0),
}


def suggested(trial: Any, name: str, domain: Domain) -> Any:
    """Returns the value that Optuna suggests for a parameter."""
    match domain:
        case Float(low, high, log, step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case Int(low, high, log, step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case Choice():
            return trial.suggest_categorical(name, domain.labels)


def copied(database: Path, name: str) -> str:
    """Copies a study's database, with the settings of Optuna for a new one; returns its URL."""
    copy = database.with_name(f"{name}.db")
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
    return f"sqlite:///{copy}"


def seconds_a_trial(
    url: str, study: str, sampler: str, objective: Callable[[Any], list[float]], count: int
) -> list[float]:
    """Returns the processor time of each further trial, after one that reads the study.

    Args:
        url: URL of a database that may be written.
        study: Name of the study in it.
        sampler: A key of SAMPLERS.
        objective: Optuna's objective function.
        count: Number of trials to time.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    continued = optuna.load_study(study_name=study, storage=url, sampler=SAMPLERS[sampler]())
    continued.optimize(objective, n_trials=1)
    seconds = []
    for _ in range(count):
        begun = time.process_time()
        continued.optimize(objective, n_trials=1)
        seconds.append(time.process_time() - begun)
    return seconds
