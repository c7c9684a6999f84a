"""A study as its database holds it, with all versions and trials, to compare it with its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import Rows
from paretune.search.database.versions import FIRST, read_trial_versions, read_versions
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import StudySpec
from paretune.search.study.version import StudyVersion, VersionChanges
from paretune.search.trial.resume_check import differences, refuse_changes


@dataclass(frozen=True)
class StoredStudy:
    """A stored study.

    Attributes:
        identity: What decides its trials, in the newest version.
        versions: Its versions in order; a study that never changed has one.
        trial_versions: Trial -> version that it began under, unless that is the first.
        trials: All trials, in order of number.
    """

    identity: Mapping[str, Any]
    versions: tuple[StudyVersion, ...]
    trial_versions: Mapping[int, int]
    trials: tuple[TrialRecord, ...]

    @property
    def newest(self) -> StudyVersion:
        """The newest version."""
        return self.versions[-1]

    @property
    def baseline(self) -> TrialRecord | None:
        """Trial 0 if it is complete, else None."""
        first = self.trials[0] if self.trials else None
        return first if first and first.number == 0 and first.state == "complete" else None

    def version_of(self, trial: int) -> int:
        """Returns the version that a trial began under."""
        return self.trial_versions.get(trial, FIRST)


def is_changed(rows: Rows, spec: StudySpec) -> bool:
    """Returns whether a study file differs from the stored study, without reading its trials.

    A goal is no part of the identity. But one on a quantity that was never measured is a change.

    Args:
        rows: Reads the database, which holds a study.
        spec: The study file.

    Raises:
        UserError: Something changed that all trials depend on.
    """
    reader = StudyReader(rows)
    stored = reader.study()["identity"]
    refuse_changes(stored, spec)
    return bool(differences(stored, spec)) or bool(new_goals(spec, reader.trial(0)))


def new_goals(spec: StudySpec, baseline: TrialRecord | None) -> list[str]:
    """Returns the goals on quantities that the baseline lacks, if it is complete."""
    if baseline is None or baseline.state != "complete":
        return []
    return [goal.text for goal in spec.goals if goal.quantity not in baseline.measurements]


def read_stored(rows: Rows, name: str = "storage") -> StoredStudy:
    """Reads a stored study.

    Args:
        rows: Reads its database.
        name: Name of the database, for error texts.

    Raises:
        UserError: There is none, or its tables are of another version of Paretune.
    """
    reader = StudyReader(rows, name)
    study = reader.study()
    first = StudyVersion(FIRST, study["created"], study["identity"], VersionChanges())
    versions = tuple(read_versions(rows)) or (first,)
    trials = tuple(reader.trials())
    return StoredStudy(study["identity"], versions, read_trial_versions(rows), trials)
