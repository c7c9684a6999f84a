"""The base class of studies that are open for work."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.metadata import version
from typing import Any

from paretune.objectives.base import Measurement
from paretune.objectives.host import fingerprint
from paretune.search.database.engine import creation_lock, open_engine
from paretune.search.database.final_measurements import FinalMeasurements
from paretune.search.database.mirror import Mirror
from paretune.search.database.outage import Outage
from paretune.search.database.repeats import Repeats
from paretune.search.database.requests import Requests
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.racing.race import Race
from paretune.search.sampling.proposer import distributions_of
from paretune.search.sampling.subnet_estimates import SubnetEstimates
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis, Result, Trained, TrialRecord
from paretune.search.study.role import Role
from paretune.search.study.seed_results import SeedResult
from paretune.search.study.spec import StudySpec, digest
from paretune.search.trial.control import Control
from paretune.search.trial.events import Reporter
from paretune.search.trial.resume_check import (
    difference_lines,
    differences,
    identity,
    refuse_changes,
)
from paretune.search.user_code import add_import_folders
from paretune.search.views.words import cores_text

Cheap = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""The choices of a plan -> exact objective values that need no training.

Raises `InfeasibleCandidate` if the candidate cannot exist.
"""

Cost = Callable[[Mapping[str, Any]], Callable[[], float]]
"""The choices of a plan -> a function that returns its remaining training cost.

The cost is in a unit of the study. It falls when other trials train some of the same stages.
"""


class OpenStudy(ABC):
    """The database of a study, and the work of its trials.

    Attributes:
        baseline: Plan of trial 0; None for a study without a baseline.
        classes: Number of classes, which gives the chance level; None if there are none.
        cheap: Objective values that need no training; None if there are none.
        cost: Remaining training cost of a plan; None if it is unknown.
        overhead: What a trial takes besides training, as a training cost.
        estimates: What is known of an elastic network's subnets before their trials; or None.
        timed: Whether any quantity is timed, and so measured again in the final session.
        race: Compares trials while they train; None if each trains to its end.
        control: What the user asks of this worker, between stages and epochs.
        outage: How it waits for a database server that is away.

    Args:
        spec: The study.

    Raises:
        UserError: The database cannot be used, or holds another study.
    """

    baseline: Plan | None = None
    classes: int | None = None
    cheap: Cheap | None = None
    cost: Cost | None = None
    overhead: float = 0.0
    estimates: SubnetEstimates | None = None
    timed: bool = False

    def __init__(self, spec: StudySpec) -> None:
        self.spec = spec
        add_import_folders(spec.file.parent)
        self.axes = axes_of(spec)
        self.outage = Outage()
        self.engine = open_engine(spec.storage, create=True, outage=self.outage)
        self.store = Store(self.engine)
        self.finals = FinalMeasurements(self.engine)
        self.repeats = Repeats(self.engine)
        self.control = Control(Requests(self.engine))
        racing = spec.racing
        self.race = Race(racing, self.axes, Rungs(self.engine)) if racing else None
        stored = self.store.study()
        if stored is not None:  # another study or version is refused before data is loaded
            refuse_changes(stored["identity"], spec)
        self._new = stored is None
        self.host = digest(fingerprint())[:12]
        self.prepare()

    # -- what differs between kinds of studies ---------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Opens what the trials need: data, pipeline, the user's functions."""

    @abstractmethod
    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """Returns the plan for one assignment of the study's space."""

    @abstractmethod
    def stages(self, plan: Plan) -> Sequence[str]:
        """Returns the names of the stages of a trial with this plan, in order."""

    @abstractmethod
    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Evaluates a trial.

        Args:
            number: Trial number.
            plan: What to build.
            baseline: Trial 0, to compare with; None for trial 0 or a study without a baseline.
            report: Receives an event for each stage and epoch.

        Raises:
            UserError: The baseline fails, or the disk is full.
        """

    def train(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result | Trained:
        """Trains a plan for another worker that measures it, in studies of built-in stages."""
        raise NotImplementedError

    @abstractmethod
    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """Measures a trial on data that the search has not seen; empty if there is none."""

    def lacks_test(self, trial: TrialRecord) -> bool:
        """Returns whether a trial was measured on the test part, but without a new objective."""
        return False

    def time_again(
        self, trials: Sequence[TrialRecord], seconds: float
    ) -> Mapping[int, Sequence[Measurement]]:
        """Times trials again in one session.

        Args:
            trials: The baseline first.
            seconds: Approximate length of the session.

        Raises:
            Unmeasurable: A trial's file is gone, or cannot be measured.
        """
        return {}

    @abstractmethod
    def is_repeatable(self, plan: Plan) -> bool:
        """Returns whether a training with another seed gives another network."""

    @abstractmethod
    def repeat_setting(self) -> str:
        """Returns a digest of what trainings with other seeds depend on, beside their plans."""

    @abstractmethod
    def repeat(self, trial: TrialRecord, repeat: int, report: Reporter) -> SeedResult:
        """Trains a trial again with another seed, and measures what depends on the weights.

        Args:
            trial: A complete trial.
            repeat: Number of the training, from 1; it gives the seed.
            report: Receives an event for each stage and epoch.
        """

    def final_lock(self) -> AbstractContextManager[object]:
        """Returns what keeps other workers from the same final session."""
        return host_lock.measuring()

    def refuse_search(self) -> None:
        """Refuses further trials if what is trained so far shows that none can be of use.

        Raises:
            UserError: None can; with the figures.
        """
        return None

    @abstractmethod
    def facts(self) -> Mapping[str, Any]:
        """Returns further facts to show, after host and versions."""

    @property
    @abstractmethod
    def packages(self) -> Sequence[str]:
        """Names of the packages; their versions are stored."""

    def trained(self, plan: Plan) -> bool:
        """Returns whether everything that a plan trains is stored, so that the rest is quick."""
        return False

    def forget(self, plan: Plan) -> None:
        """Drops the stored state of a paused trial that will not be resumed."""
        return None

    # -- what all kinds of studies share ---------------------------------------------------------

    @cached_property
    def mirror(self) -> Mirror:
        """The Optuna study of this version; opened when it is needed first."""
        spec = self.spec
        with creation_lock(self.engine):
            return Mirror(
                self.engine,
                spec.name,
                [o.direction for o in spec.objectives],
                [o.name for o in spec.objectives],
                distributions_of(spec.space),
                self.store.version,
            )

    def register(self, role: Role = Role.ALL) -> None:
        """Writes the study, its latest budget and this host to the database.

        Args:
            role: The kinds of stages that this process runs. One that only measures begins no run,
                so the end of the last one stays.

        Raises:
            UserError: A run that began at the same moment wrote another study.
        """
        spec = self.spec
        if self._new:
            self.store.create_study(spec.name, spec.source, identity(spec), self.axes)
            written = self.store.study()  # by this run, or by one that began at the same moment
            assert written is not None
            refuse_changes(written["identity"], spec)
            if changes := differences(written["identity"], spec):
                raise UserError(
                    f"{spec.file.name}: another run began this study at the same moment, with "
                    f"another file:\n{difference_lines(changes)}\nType the same command again to "
                    "go on with this one"
                )
            self.mirror  # noqa: B018  # refuses Optuna's study of another program at once
        self.store.add_host(self.host, fingerprint())
        versions = {
            "python": platform.python_version(),
            **{name: version(name) for name in self.packages},
        }
        info = {**self.facts(), "host": self.host, "versions": versions}
        begun = {"end_reason": None} if role.trains else {}
        self.store.update_study(trial_limit=spec.trials, source=spec.source, info=info, **begun)

    @property
    def host_text(self) -> str:
        """One line about this machine."""
        facts = fingerprint()
        return f"{facts.get('cpu', platform.machine())}, {cores_text(facts)}"

    def close(self) -> None:
        """Writes pending rows of the mirror, and closes the connections."""
        try:
            if "mirror" in self.__dict__:
                self.mirror.flush()
        finally:
            self.store.close()


def axes_of(spec: StudySpec) -> tuple[Axis, ...]:
    """Returns the objectives as plots and tables need them."""
    better = {"minimize": "lower", "maximize": "higher"}
    return tuple(
        Axis(
            o.name,
            o.unit,
            better[o.direction],  # type: ignore[arg-type]
            o.worst,
            scored=Quantity.of(o.name).local in spec.metrics,
        )
        for o in spec.objectives
    )
