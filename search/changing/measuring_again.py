"""Completes earlier trials: measures what the present version of a study needs of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from paretune.objectives.base import Measurement
from paretune.search.changing.fronts import front_history
from paretune.search.changing.new_measurements import NewMeasurements, NotMeasurable
from paretune.search.changing.present import (
    PresentTrial,
    present_trial,
    required_quantities,
    valid_measurements,
)
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import engine_rows
from paretune.search.database.version_writer import VersionWriter
from paretune.search.database.versions import FIRST, Versions
from paretune.search.errors import UserError
from paretune.search.interruption import stop_if_interrupted
from paretune.search.study.records import FrontPoint, TrialRecord
from paretune.search.trial.events import Notice, Reporter
from paretune.search.views.words import and_text, count_text, list_text

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

FRONT_EVERY = 2.0
"""Seconds between two writes of the front while trials are measured."""

TOLD_EVERY = 10.0
"""Seconds between two notices of the progress."""

MOST_TOLD = 5
"""Most trials that cannot be measured for which the reason is told."""


class Measuring(Protocol):
    """Measures earlier trials without training."""

    def measure(
        self,
        trial: TrialRecord,
        valid: Mapping[str, Measurement],
        baseline: TrialRecord | None,
        seed: int,
    ) -> NewMeasurements:
        """Measures what a complete trial lacks."""


def measuring_of(study: OpenStudy) -> Measuring:
    """Returns what measures the earlier trials of a study."""
    if study.spec.trainer is not None:
        from paretune.search.changing.trainer_measuring import TrainerMeasuring

        return TrainerMeasuring(study)  # type: ignore[arg-type]  # by the kind of study
    from paretune.search.changing.stage_measuring import StageMeasuring

    return StageMeasuring(study)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Completed:
    """An earlier trial with all that this version needs."""

    trial: TrialRecord
    new: NewMeasurements
    present: PresentTrial


class MeasuringAgain:
    """Completes the earlier trials of an open study.

    A trial of which something cannot be measured keeps its state, and has no values in this
    version.

    Args:
        study: The open study, in its present version.
        report: Receives notices.
    """

    def __init__(self, study: OpenStudy, report: Reporter) -> None:
        self._study = study
        self._report = report
        self._measuring = measuring_of(study)
        self._writer = VersionWriter(study.engine)
        versions = Versions(study.engine)
        self._seeds = {v.number: v.identity["search"]["seed"] for v in versions.all()}
        self._trial_versions = versions.of_trials()
        self._failed: dict[int, str] = {}

    def complete_all(self, first: int = 0) -> list[int]:
        """Measures every complete trial that lacks something; returns those completed here.

        Workers that begin at different trials share the work.

        Args:
            first: Any number; the position of the trial to begin with.
        """
        numbers = self.lacking()
        if not numbers:
            return []
        files = count_text(len(numbers), "earlier trial")
        wanted = and_text(self._wanted(numbers[0]))
        self._report(Notice(f"measuring {wanted} of {files}; nothing is trained"))
        start = first % len(numbers)
        done: list[int] = []
        drawn = shown = time.monotonic()
        for number in [*numbers[start:], *numbers[:start]]:
            stop_if_interrupted()
            self._study.control.between_stages()
            if self.complete(number):
                done.append(number)
            now = time.monotonic()
            if now - drawn > FRONT_EVERY:
                self.write_front()
                drawn = now
            if now - shown > TOLD_EVERY:
                self._report(Notice(f"{len(done)} of {files} measured"))
                shown = now
        self.write_front()
        self._tell_failed()
        return done

    def _wanted(self, number: int) -> list[str]:
        """Returns the quantities that a trial lacks."""
        trial, spec = self._study.store.trial(number), self._study.spec
        measured = valid_measurements(trial.measurements, spec) if trial else {}
        return sorted(required_quantities(spec).keys() - measured.keys()) or ["the violations"]

    def lacking(self) -> list[int]:
        """Returns the complete trials that lack something, in order."""
        trials = self._study.store.unmeasured()
        return [number for number in trials if number not in self._failed]

    def complete(self, number: int) -> bool:
        """Measures one trial; returns whether it was completed here."""
        if number in self._failed:
            return False
        trial = self._study.store.trial(number)
        if trial is None or trial.values:
            return False  # another worker was faster
        baseline = self._study.store.trial(0) if self._study.baseline is not None else None
        try:
            completed = self._completed(trial, baseline)
        except Exception as error:  # whatever a runtime or an objective raises
            stop_if_interrupted()
            self._failed[number] = str(error) or type(error).__name__
            return False
        return self._writer.complete(
            number,
            completed.new.measured,
            completed.present.values,
            completed.present.violations,
            self._study.host,
            completed.new.artifacts,
        )

    def _completed(self, trial: TrialRecord, baseline: TrialRecord | None) -> _Completed:
        """Returns a trial with new measurements.

        Raises:
            NotMeasurable: Something is still missing.
        """
        spec = self._study.spec
        valid = valid_measurements(trial.measurements, spec)
        new = NewMeasurements(())
        reference = None if baseline is None else valid_measurements(baseline.measurements, spec)
        if required_quantities(spec).keys() - valid.keys():
            seed = self._seeds.get(self._trial_versions.get(trial.number, FIRST), spec.seed)
            new = self._measuring.measure(trial, valid, baseline, seed)
            _refuse_infinite(new.measured)
        merged = {**valid, **{m.name: m for m in new.measured}}
        present = present_trial(replace(trial, measurements=merged), spec, reference)
        if present.missing:
            raise NotMeasurable(
                f"{and_text(sorted(present.missing))} is not known, and cannot be measured "
                "without training"
            )
        return _Completed(trial, new, present)

    def measure_baseline(self, trial: TrialRecord, stale: Sequence[str]) -> NewMeasurements:
        """Measures what the baseline lacks for a version that is not written yet.

        Args:
            trial: Trial 0, as stored.
            stale: Quantities that were measured with other options.

        Raises:
            UserError: It cannot be measured.
        """
        spec = self._study.spec
        valid = valid_measurements(trial.measurements, spec, stale)
        if not required_quantities(spec).keys() - valid.keys():
            return NewMeasurements(())
        seed = self._seeds.get(FIRST, self._first_seed)
        try:
            new = self._measuring.measure(replace(trial, measurements=valid), valid, None, seed)
            _refuse_infinite(new.measured)
        except Exception as error:
            stop_if_interrupted()
            raise UserError(_baseline_text(spec.file.name, str(error))) from error
        missing = required_quantities(spec).keys() - valid.keys() - {m.name for m in new.measured}
        if missing:
            names = and_text(sorted(missing))
            text = f"{names} is not known of it, and cannot be measured without training"
            raise UserError(_baseline_text(spec.file.name, text))
        return new

    @property
    def _first_seed(self) -> int:
        stored = self._study.store.study()
        return int(stored["identity"]["search"]["seed"]) if stored else self._study.spec.seed

    def write_front(self) -> None:
        """Writes the front and its history by the present values of all trials."""
        self._writer.replace_front(self._front_history)

    def _front_history(self) -> Sequence[FrontPoint]:
        study = self._study
        trials = StudyReader(engine_rows(study.engine)).trials()
        first = next((t for t in trials if t.number == 0), None)
        values = first.values if first is not None and first.state == "complete" else None
        return front_history(trials, study.axes, values, study.classes)

    def _tell_failed(self) -> None:
        """Tells which trials do not count in this version, and why."""
        by_reason: dict[str, list[int]] = {}
        for number, reason in sorted(self._failed.items()):
            by_reason.setdefault(reason, []).append(number)
        for reason, numbers in list(by_reason.items())[:MOST_TOLD]:
            noun = "trial" if len(numbers) == 1 else "trials"
            verb = "does" if len(numbers) == 1 else "do"
            self._report(
                Notice(f"{noun} {list_text(numbers)} {verb} not count in this version: {reason}")
            )


def _baseline_text(file: str, reason: str) -> str:
    return (
        f"{file}: the change cannot be taken up, as the baseline cannot be measured: {reason}. "
        "Change the file back, or start another study: copy the file to NEW.yaml, with another "
        f"name in `study:`, and type paretune run NEW.yaml --from {file}"
    )


def _refuse_infinite(measured: Sequence[Measurement]) -> None:
    wrong = [m.name for m in measured if not math.isfinite(m.value)]
    if wrong:
        raise NotMeasurable(f"{and_text(wrong)}: the measured value is not finite")
