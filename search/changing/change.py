"""The change of a study: what differs from the stored study, and what it means. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.changing.belonging import Belonging, PlanOf
from paretune.search.changing.change_texts import change_texts
from paretune.search.changing.measured_options import (
    Options,
    options_of,
    remeasured_with,
    stale_quantities,
)
from paretune.search.changing.present import (
    PresentTrial,
    present_trial,
    required_quantities,
    valid_measurements,
)
from paretune.search.changing.stored_study import StoredStudy, new_goals
from paretune.search.study.plan import Plan, make_plan
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import StudySpec, canonical
from paretune.search.study.stage import Stage
from paretune.search.study.version import VersionChanges
from paretune.search.trial.resume_check import (
    differences,
    identity,
    refuse_changes,
    stored_identity,
)
from paretune.search.views.words import count_text


@dataclass(frozen=True)
class StudyChange:
    """The change from a stored study to a study file.

    Attributes:
        spec: The study file.
        stored: The stored study.
        identity: The identity of the study file, as JSON.
        added: Measurements of the baseline that were made for this change.
    """

    spec: StudySpec
    stored: StoredStudy
    identity: Mapping[str, Any]
    added: Mapping[str, Measurement]

    @property
    def number(self) -> int:
        """Number of the new version."""
        return self.stored.newest.number + 1

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What changed."""
        goals = [f"new goal {text}" for text in new_goals(self.spec, self.stored.baseline)]
        return (*change_texts(self.stored.identity, self.identity), *goals)

    @cached_property
    def options(self) -> Options:
        """Quantity -> options with which it is or was measured."""
        return {**self._old_options, **self._new_options}

    @cached_property
    def stale(self) -> tuple[str, ...]:
        """Quantities that are measured with other options than before."""
        return stale_quantities(self._old_options, self._new_options)

    @cached_property
    def _old_options(self) -> Options:
        names = self.stored.baseline.measurements if self.stored.baseline else ()
        if self.spec.trainer is not None:
            return {}
        old = options_of(self.stored.identity["objectives"], names, self.spec.metrics)
        return {**old, **self.stored.newest.changes.options}

    @cached_property
    def _new_options(self) -> Options:
        if self.spec.trainer is not None:
            return {}
        wanted = required_quantities(self.spec)
        names = remeasured_with(self._old_options.keys(), self.spec, wanted)
        return options_of(self.identity["objectives"], names, self.spec.metrics)

    @cached_property
    def reference(self) -> Mapping[str, Measurement] | None:
        """The valid measurements of the baseline; None if there is no baseline."""
        first = self.stored.baseline
        if first is None:
            return None
        return {**valid_measurements(first.measurements, self.spec, self.stale), **self.added}

    @cached_property
    def present(self) -> dict[int, PresentTrial]:
        """Trial number -> the trial in the new version, of ended and paused trials."""
        present: dict[int, PresentTrial] = {}
        for trial in self.stored.trials:
            if trial.repeat_of in present:
                assert trial.repeat_of is not None
                first = present[trial.repeat_of]
                present[trial.number] = PresentTrial(first.values, first.violations)
            elif trial.state != "running" and trial.repeat_of is None:
                present[trial.number] = self._present(trial)
        return present

    def _present(self, trial: TrialRecord) -> PresentTrial:
        if trial.number == 0 and self.added:
            first = replace(trial, measurements={**trial.measurements, **self.added})
            stale = [name for name in self.stale if name not in self.added]
            return present_trial(first, self.spec, self.reference, stale)
        return present_trial(trial, self.spec, self.reference, self.stale)

    @cached_property
    def retried(self) -> tuple[int, ...]:
        """Trials whose plans may be tried again."""
        return tuple(number for number, trial in self.present.items() if trial.is_retried)

    @cached_property
    def missing(self) -> dict[str, int]:
        """Quantity -> number of complete trials that lack it; repeats do not count."""
        counts: Counter[str] = Counter()
        for trial in self.present.values():
            counts.update(trial.missing)
        return {name: counts[name] for name in required_quantities(self.spec) if counts[name]}

    @property
    def belonging(self) -> tuple[int, int]:
        """How many trials of the search lie in the new space, and how many there are."""
        numbers = [t.number for t in self.stored.trials if t.number and t.of_search]
        return len({*numbers} - {*self.outside}), len(numbers)

    @cached_property
    def outside(self) -> tuple[int, ...]:
        """The trials that lie outside the new space; the baseline is none of them."""
        belonging = Belonging(self.spec, self.stored.versions, plan_maker(self.spec))
        return tuple(
            t.number
            for t in self.stored.trials
            if t.number
            and belonging.params(self.stored.version_of(t.number), t.params, t.plan) is None
        )

    @cached_property
    def effects(self) -> tuple[str, ...]:
        """What the change means for the earlier trials, in words."""
        return tuple(
            text for text in (*self._space_effects(), *self._measuring(), *self._held()) if text
        )

    def _space_effects(self) -> list[str]:
        inside, total = self.belonging
        if not total or self.stored.identity["space"] == self.identity["space"]:
            return []
        verb = "belongs" if inside == 1 else "belong"
        return [f"{inside} of {count_text(total, 'trial')} still {verb} to the space"]

    def _measuring(self) -> list[str]:
        if self.spec.trainer is not None:
            counts = {name: count_text(n, "trial") for name, n in self.missing.items()}
            return [f"{name} is not known of {text}" for name, text in counts.items()]
        return [
            f"{name} will be measured {'again ' if name in self.stale else ''}on "
            f"{count_text(n, 'file')}"
            for name, n in self.missing.items()
        ]

    def _held(self) -> list[str]:
        """Returns what changed constraints mean."""
        if self.stored.identity["constraints"] == self.identity["constraints"]:
            return []
        trials = [
            t
            for t in self.stored.trials
            if t.number and t.state == "complete" and t.repeat_of is None
        ]
        measured = [(t, self.present[t.number]) for t in trials if self.present[t.number].values]
        texts = []
        if measured:
            now = sum(all(v <= 0 for v in present.violations.values()) for _, present in measured)
            before = sum(trial.feasible for trial, _ in measured)
            trial_text = count_text(len(measured), "measured trial")
            texts.append(f"{now} of {trial_text} meet the constraints, {before} before")
        if self.retried:
            texts.append(
                f"{count_text(len(self.retried), 'trial')} that ended before training may be "
                "tried again"
            )
        return texts

    def changes(self) -> VersionChanges:
        """Returns what the database keeps of this change."""
        last = self.stored.trials[-1].number if self.stored.trials else -1
        return VersionChanges(
            self.texts, self.effects, self.stale, self.retried, self.options, last, self.outside
        )

    @property
    def line(self) -> str:
        """What changed and what it means, as `run` and `check` print it."""
        return f"version {self.number}: {'; '.join((*self.texts, *self.effects))}"

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune check --json` shows."""
        inside, total = self.belonging
        return {
            "line": self.line,
            "version": self.number,
            "changes": list(self.texts),
            "effects": list(self.effects),
            "belong": inside,
            "trials": total,
            "to_measure": self.missing,
            "retried": list(self.retried),
        }


def change_of(
    stored: StoredStudy, spec: StudySpec, added: Mapping[str, Measurement] | None = None
) -> StudyChange | None:
    """Returns the change from a stored study to a study file; None if there is none.

    Args:
        stored: The stored study.
        spec: The study file.
        added: Measurements of the baseline that were made for this change.

    Raises:
        UserError: Something changed that all trials depend on.
    """
    refuse_changes(stored.identity, spec)
    if not differences(stored.identity, spec) and not new_goals(spec, stored.baseline):
        return None
    old = stored_identity(stored.identity, spec)
    newest = replace(stored.newest, identity=old)
    stored = replace(stored, identity=old, versions=(*stored.versions[:-1], newest))
    return StudyChange(spec, stored, json.loads(canonical(identity(spec))), added or {})


def plan_maker(spec: StudySpec) -> PlanOf:
    """Returns the function that makes a plan of choices, as the study itself does."""
    if spec.trainer is not None:
        return lambda choices: Plan((Stage("evaluate", dict(choices)),))
    return lambda choices: make_plan(choices, spec.runtime, spec.teachers, spec.targets)
