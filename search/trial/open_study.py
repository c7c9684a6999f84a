"""OpenStudy: what every study has when it is open for work, whoever trains its candidates."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from paretune.objectives.base import Measurement
from paretune.objectives.host import fingerprint
from paretune.search.database.engine import alone, open_engine
from paretune.search.database.finals import Finals
from paretune.search.database.mirror import Mirror
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store
from paretune.search.racing.race import Race
from paretune.search.sampling.proposer import distributions_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import Axis, Result, TrialRecord
from paretune.search.study.spec import StudySpec, digest
from paretune.search.trial.events import Reporter
from paretune.search.trial.resume_check import identity, refuse_changes
from paretune.search.user_code import find_user_code

Cheap = Callable[[Mapping[str, Any]], Mapping[str, float]]
Cost = Callable[[Mapping[str, Any]], float]
"""The choices of a plan -> the objectives that are known exactly without training.

It raises `InfeasibleCandidate` for a plan that cannot be.
"""


class OpenStudy(ABC):
    """The database of a study and the work of its trials.

    Attributes:
        baseline: The plan of trial 0; None in a study without a baseline.
        classes: Number of classes, which gives chance level; None where there are none.
        cheap: What is known without training; None where nothing is.
        cost: The choices of a plan -> how much training it has left, in a unit of its own; None
            where that is not known.
        timed: Whether anything is measured by a clock, and so again at the end.
        race: Compares trials while they train; None where each trains to its end.

    Args:
        spec: The study.

    Raises:
        UserError: The database cannot be used, or holds another study.
    """

    baseline: Plan | None = None
    classes: int | None = None
    cheap: Cheap | None = None
    cost: Cost | None = None
    timed: bool = False

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        find_user_code(spec.file.parent)
        self.axes = axes_of(spec)
        self._engine = open_engine(spec.storage, create=True)
        self.store = Store(self._engine)
        self.finals = Finals(self._engine)
        racing = spec.racing
        self.race = Race(racing, self.axes, Rungs(self._engine)) if racing else None
        known = self.store.study()  # of another study or version: refused before data is loaded
        if known is not None:
            refuse_changes(known["identity"], spec)
        self._new = known is None
        self.host = digest(fingerprint())[:12]
        self.prepare()
        with alone(self._engine):
            self.mirror = Mirror(
                self._engine,
                spec.name,
                [o.direction for o in spec.objectives],
                [o.name for o in spec.objectives],
                distributions_of(spec.space),
            )

    # -- what differs ----------------------------------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Opens what the work needs: data, pipeline, the user's functions."""

    @abstractmethod
    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """The plan for one assignment of the study's space."""

    @abstractmethod
    def stages(self, plan: Plan) -> Sequence[str]:
        """What a trial of this plan goes through, in order."""

    @abstractmethod
    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Does a trial: what came of the plan.

        Args:
            number: Of the trial.
            plan: What to do.
            baseline: Trial 0, to compare with; None for trial 0 itself, or where there is none.
            report: Told of stages and epochs.

        Raises:
            UserError: The baseline fails, or the disk is full.
        """

    @abstractmethod
    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """What is measured on data that the search has not seen; empty where there is none."""

    def again(
        self, trials: Sequence[TrialRecord], seconds: float
    ) -> Mapping[int, Sequence[Measurement]]:
        """What is timed, of several trials in one session of about so many seconds at most.

        Raises:
            Unmeasurable: A trial's file is gone, or cannot be measured.
        """
        return {}

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """What is worth showing besides host and versions."""

    @property
    @abstractmethod
    def packages(self) -> Sequence[str]:
        """Whose versions are worth keeping."""

    def trained(self, plan: Plan) -> bool:
        """Whether all that a plan trains lies here, so that the rest takes seconds."""
        return False

    def forget(self, plan: Plan) -> None:
        """Drops what was kept for a trial that waited, and never goes on."""
        return None

    # -- what does not ---------------------------------------------------------------------------

    def register(self) -> None:
        """Writes what this run brings: the study itself, its latest budget, this host.

        Raises:
            UserError: A run that began at the same moment has made another study of it.
        """
        spec = self.spec
        if self._new:
            self.store.create_study(spec.name, spec.source, identity(spec), self.axes)
            written = self.store.study()  # by this run, or by another that began as this one did
            assert written is not None
            refuse_changes(written["identity"], spec)
        self.store.add_host(self.host, fingerprint())
        versions = {
            "python": platform.python_version(),
            **{name: version(name) for name in self.packages},
        }
        info = {**self.facts(), "host": self.host, "versions": versions}
        self.store.update_study(wanted=spec.trials, source=spec.source, info=info, finished=None)

    @property
    def host_text(self) -> str:
        """One line about this machine."""
        facts = fingerprint()
        return f"{facts.get('cpu', platform.machine())}, {facts.get('cores', '?')} cores"

    def close(self) -> None:
        """Writes what is left to write, and gives the connections back."""
        try:
            self.mirror.flush()
        finally:
            self.store.close()


def axes_of(spec: StudySpec) -> tuple[Axis, ...]:
    """The objectives as plots and tables need them."""
    better = {"minimize": "lower", "maximize": "higher"}
    return tuple(
        Axis(o.name, o.unit, better[o.direction], o.worst)  # type: ignore[arg-type]
        for o in spec.objectives
    )
