"""The interface of a tracker, and the table of trackers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from paretune.search.errors import UserError
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.tracking.facts import StudyFacts, TrialFacts
from paretune.spaces.table import Table

TRACKERS = Table(
    "tracker",
    {
        "mlflow": "paretune.search.tracking.mlflow:MlflowTracker",
        "wandb": "paretune.search.tracking.wandb:WandbTracker",
    },
)


class TrackerAway(Exception):
    """The tracker does not answer, or refuses; the text is the reason. It is asked again later."""


class Tracker(Protocol):
    """Sends a study to one tracker. Each method may raise any exception if the tracker is away.

    Every method may be called again with the same study or trial: it finds what it made before.
    """

    def __init__(self, options: Any, spec: StudySpec) -> None:
        """Reads the options; contacts nothing.

        Raises:
            UserError: The tracker's package is missing, or an option is wrong.
        """

    @property
    def address(self) -> str:
        """Where the study is sent, for texts and to tell one tracker from another."""

    def open_study(self, study: StudyFacts) -> str:
        """Finds or creates the study's run; returns its id."""

    def log_trial(self, parent: str, study: StudyFacts, trial: TrialFacts, again: bool) -> str:
        """Finds or creates a trial's run and sends it; returns its id.

        Args:
            parent: Id of the study's run.
            study: The study.
            trial: The trial.
            again: Whether it was sent before, so that parameters and epochs are there already.
        """

    def log_study(self, parent: str, study: StudyFacts, after: int, ended: bool) -> None:
        """Sends what has grown: front, hypervolume after the first `after` points, and the end."""

    def attach(self, run: str, study: StudyFacts, name: str, files: Sequence[Path]) -> None:
        """Uploads files to a run, below a folder `name`."""

    def close(self) -> None:
        """Ends what runs for this tracker in this process."""


def make_tracker(selection: Selection, spec: StudySpec) -> Tracker:
    """Returns the tracker that a study names.

    Raises:
        UserError: Its package is missing, or an option is wrong.
    """
    tracker: Tracker = TRACKERS.get(selection.name)(selection.params, spec)
    return tracker


def needs(package: str) -> UserError:
    """Returns the error for a tracker whose package is not installed."""
    return UserError(
        f"track.{package}: the package {package} is not installed; type: "
        f"pip install 'paretune[{package}]'"
    )
