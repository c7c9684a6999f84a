"""Pauses, resumes and stops the workers of a study, from another process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.search.database.engine import open_engine
from paretune.search.database.reader import study_reader
from paretune.search.database.requests import Requests
from paretune.search.database.worker_rows import PAUSE, RUN, STOP
from paretune.search.running.liveness import Observer, has_process, is_here, lives
from paretune.search.shell import command_text
from paretune.search.views.words import count_text

ACTIONS: Mapping[str, str] = {"pause": PAUSE, "resume": RUN, "stop": STOP}
"""Action -> what is asked of the workers."""

LOOK_EVERY = 0.5
"""Seconds between two looks whether the workers have left."""

ENDS = {
    "pause": (
        "{workers_text} at the end of the current stage or epoch; to let the study go on: {again}"
    ),
    "resume": "{workers_text} within a second",
    "stop": "{workers_text} at the end of the current stage; to continue the study: {again}",
}

VERBS = {"pause": ("pauses", "pause"), "resume": ("goes on", "go on"), "stop": ("leaves", "leave")}
"""Action -> verb for one worker, and for several."""


@dataclass(frozen=True)
class Steered:
    """The answer to a request.

    Attributes:
        action: "pause", "resume" or "stop".
        workers: Number of living workers that it concerns; 0: nothing was asked.
        text: What happens now, in a sentence.
    """

    action: str
    workers: int
    text: str


def living_workers(url: str) -> list[dict[str, Any]]:
    """Returns the living workers of a study.

    Raises:
        UserError: There is no study, or the database cannot be read.
    """
    return [worker for worker in _worker_rows(url) if lives(worker)]


def _worker_rows(url: str) -> list[dict[str, Any]]:
    with study_reader(url) as reader:
        reader.study()
        return reader.workers()


def steer(url: str, action: str, study: Path, options: Sequence[str] = ()) -> Steered:
    """Asks the workers of a study to pause, to go on or to stop.

    Args:
        url: Storage URL.
        action: A key of ACTIONS.
        study: STUDY, for the command that continues the study.
        options: Options that this command needs.

    Raises:
        UserError: There is no study, or the database cannot be written.
    """
    rows = _worker_rows(url)
    workers = sum(map(lives, rows))
    run = command_text("run", study, *options)
    if not any(has_process(row) or not is_here(row) for row in rows):
        return Steered(action, 0, f"no worker runs this study; to continue it: {run}")
    again = command_text("resume", study, *options) if action == "pause" else run
    engine = open_engine(url)
    try:
        Requests(engine).want(ACTIONS[action])
    finally:
        engine.dispose()
    if not workers:  # the silent ones of other machines are asked, too: a clock may be wrong
        return Steered(action, 0, f"no worker shows a sign of life; to continue the study: {run}")
    workers_text = f"{count_text(workers, 'worker')} {VERBS[action][workers > 1]}"
    return Steered(action, workers, ENDS[action].format(workers_text=workers_text, again=again))


def wait_until_alone(url: str) -> None:
    """Waits until no worker lives."""
    observer = Observer()
    while observer.living(_worker_rows(url)):
        time.sleep(LOOK_EVERY)
