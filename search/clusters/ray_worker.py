"""The work of one Ray task: a worker of a study, as `paretune worker` starts it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paretune.objectives.idle_threads import let_idle_threads_sleep
from paretune.search.errors import UserError
from paretune.search.study.role import Role

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec

Join = Callable[..., Any]
"""Joins a study: `interface.joining.join_study`."""


@dataclass(frozen=True)
class Ticket:
    """What a node needs to join a study, apart from the study's files.

    Attributes:
        file: Name of the study file, in the folder that travelled.
        overrides: --set options.
        storage: URL of the database.
        trials: Number of trials; None for no limit.
        role: The kinds of stages that the worker runs.
        threads: Its training threads.
        retry_failed: Whether failed trials are run again.
        environment: Variables with passwords and keys; shown nowhere.
    """

    file: str
    overrides: tuple[str, ...]
    storage: str = field(repr=False)
    trials: int | None
    role: Role
    threads: int
    retry_failed: bool
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Left:
    """Why a worker left.

    Attributes:
        ending: Its ending; None after a mistake of the user.
        mistake: The text of the mistake.
    """

    ending: Any = None
    mistake: str | None = None


def work(ticket: Ticket, join: Join, seconds: float | None) -> Left:
    """Runs trials in a Ray task until the run ends.

    Args:
        ticket: What to join.
        join: Joins the study.
        seconds: What is left of the run's time; None for no limit.
    """
    os.environ.update(ticket.environment)
    os.environ["OMP_NUM_THREADS"] = str(ticket.threads)
    let_idle_threads_sleep()
    try:
        spec = _spec(ticket, seconds)
        return Left(join(spec, (), ticket.role, ticket.threads, ticket.retry_failed))
    except UserError as error:
        return Left(mistake=str(error))


def begin(ticket: Ticket, begin_version: Callable[[StudySpec], None]) -> Left:
    """Takes a changed study file up on a host that may measure."""
    os.environ.update(ticket.environment)
    try:
        begin_version(_spec(ticket, None))
        return Left()
    except UserError as error:
        return Left(mistake=str(error))


def _spec(ticket: Ticket, seconds: float | None) -> StudySpec:
    from paretune.search.study_file.loading import load_study

    left = None if seconds is None else f"{max(1, round(seconds))}s"
    return load_study(
        ticket.file, ticket.overrides, storage=ticket.storage, trials=ticket.trials, time=left
    )
