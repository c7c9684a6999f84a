"""Brings a tracker up to date with the study database, which is the truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.database.base import Row
from paretune.search.database.store import OPEN_STATES, existing_store
from paretune.search.database.tracked import STUDY, Tracked
from paretune.search.front.final_front import with_final_front
from paretune.search.study.spec import StudySpec, digest
from paretune.search.tracking.facts import StudyFacts, TrialFacts, study_facts, trial_facts
from paretune.search.tracking.front_files import front_files
from paretune.search.tracking.tracker import Tracker

if TYPE_CHECKING:
    from paretune.search.database.store import Store
    from paretune.search.study.records import StudyRecord, TrialRecord

REPORT = "report.html"

STAGE = "evaluate"
"""The stage of the steps that a custom trainer reports."""


class Sender:
    """Sends what a tracker lacks. Whatever fails is sent by the next call.

    Several processes may send one study: each run is created by one of them.

    Args:
        tracker: The tracker.
        spec: The study.
        name: Name of the tracker in the study file.
        files: Whether files are sent, too.
    """

    def __init__(self, tracker: Tracker, spec: StudySpec, name: str, files: bool) -> None:
        self._tracker, self._spec, self._files = tracker, spec, files
        self.key = f"{name} {digest(tracker.address)[:12]}"
        self.progress = time.monotonic()
        """When the tracker last received something, in seconds of the monotonic clock."""

    def send(self, ended: bool = False) -> int:
        """Sends what is missing; returns how many trials were sent.

        Args:
            ended: Whether the run has ended, so that files of the front are sent, too.

        Raises:
            Exception: The tracker is away; what it has received is noted.
        """
        with self._open() as (store, tracked):
            row = store.study()
            if row is None:
                return 0
            record = with_final_front(store.record())
            study = study_facts(record, row["created"])
            parent = self._parent(tracked, study)
            if parent is None:  # another process is creating it
                return 0
            rows, sent = tracked.rows(self.key), 0
            for trial in filter(_has_ended, record.trials):
                row = rows.get(trial.number)
                facts = trial_facts(trial, record, ())
                if row is None or _differs(row["sent"], facts.digest, ended):
                    facts = trial_facts(trial, record, _epochs(tracked, store, trial))
                    sent += self._send_trial(tracked, parent, study, facts, row)
            self._send_study(tracked, parent, study, record, ended)
            return sent

    def missing(self) -> int:
        """Returns how many ended trials the tracker has not received."""
        with self._open() as (store, tracked):
            rows = tracked.rows(self.key)
            trials = filter(_has_ended, store.record().trials)
            return sum(not (rows.get(t.number) or {"sent": ""})["sent"] for t in trials)

    @contextmanager
    def _open(self) -> Iterator[tuple[Store, Tracked]]:
        with existing_store(self._spec.storage) as store:
            tracked = Tracked(store.engine)
            tracked.make_tables()
            yield store, tracked

    def _parent(self, tracked: Tracked, study: StudyFacts) -> str | None:
        row = tracked.rows(self.key).get(STUDY)
        if row is not None and row["run"] is not None:
            return str(row["run"])
        if not tracked.claim(self.key, STUDY):
            return None
        try:
            run = self._tracker.open_study(study)
        except BaseException:
            tracked.release(self.key, STUDY)
            raise
        tracked.update(self.key, STUDY, run=run)
        self.progress = time.monotonic()
        return run

    def _send_trial(
        self,
        tracked: Tracked,
        parent: str,
        study: StudyFacts,
        trial: TrialFacts,
        row: Row | None,
    ) -> bool:
        """Sends a trial; returns False if another process sends it now."""
        if (row is None or row["run"] is None) and not tracked.claim(self.key, trial.number):
            return False
        try:
            again = row is not None and bool(row["sent"])
            run = self._tracker.log_trial(parent, study, trial, again)
        except BaseException:
            tracked.release(self.key, trial.number)
            raise
        tracked.update(self.key, trial.number, run=run, sent=trial.digest)
        self.progress = time.monotonic()
        return True

    def _send_study(
        self,
        tracked: Tracked,
        parent: str,
        study: StudyFacts,
        record: StudyRecord,
        ended: bool,
    ) -> None:
        row = tracked.rows(self.key)[STUDY]
        marker = f"{study.digest} {ended}"
        points = int(row["sent"].partition("/")[0] or 0)
        if row["sent"].partition("/")[2] != marker:
            self._tracker.log_study(parent, study, points, ended)
            tracked.update(self.key, STUDY, sent=f"{len(study.growth)}/{marker}")
        if ended and self._files:
            self._send_files(tracked, parent, study, record)

    def _send_files(
        self, tracked: Tracked, parent: str, study: StudyFacts, record: StudyRecord
    ) -> None:
        rows = tracked.rows(self.key)
        report = self._spec.folder / REPORT
        with tempfile.TemporaryDirectory() as scratch:
            for trial in record.front:
                row = rows.get(trial.number)
                if row is None or row["run"] is None:
                    continue
                files = front_files(
                    trial, record, self._spec.file, self._spec.folder, Path(scratch)
                )
                self._attach(tracked, row, row["run"], study, "model", files)
        if report.is_file():
            self._attach(tracked, rows[STUDY], parent, study, "report", [report])

    def _attach(
        self,
        tracked: Tracked,
        row: Row,
        run: str,
        study: StudyFacts,
        name: str,
        files: list[Path],
    ) -> None:
        """Uploads files, unless the run has these."""
        from paretune.search.user_code import file_digest

        content = digest({file.name: file_digest(file) for file in files})
        if row["files"] != content:
            self._tracker.attach(run, study, name, files)
            self.progress = time.monotonic()
            tracked.update(self.key, row["trial"], files=content)


def _differs(sent: str, present: str, ended: bool) -> bool:
    """Returns whether a trial has changed since it was sent, as by the final session."""
    return sent != present if ended else sent.partition("/")[0] != present.partition("/")[0]


def _has_ended(trial: TrialRecord) -> bool:
    """Returns whether a trial has a result of its own."""
    return trial.state not in OPEN_STATES and trial.repeat_of is None


def _epochs(tracked: Tracked, store: Store, trial: TrialRecord) -> list[dict[str, Any]]:
    """Returns the epochs of a trial, or the steps that a custom trainer reported."""
    rows = [dict(row) for row in tracked.epochs(trial.number)]
    if rows:
        return rows
    return [
        {
            "stage": STAGE,
            "epoch": step["step"],
            "values": step["values"],
            "time": trial.started + step["seconds"],
        }
        for step in store.steps(trial.number)
    ]
