"""The table of trade-offs: the front beside the baseline, with the marks that help to choose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from paretune.objectives.base import Measurement
from paretune.search.front.final_front import chances_of, finalists_of, uncertain
from paretune.search.front.highlights import alike_of, claims_of
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.views.plan_text import plan_text

Read: TypeAlias = Callable[[Collection[int]], Sequence[TrialRecord]]
"""Numbers -> trials."""

CLOSE = 0.25
"""Probability to be on the front from which on a trial beside it is shown, too."""

MOST_CLOSE = 5


@dataclass(frozen=True)
class FrontRow:
    """One trade-off.

    Attributes:
        trial: Number of the trial; 0 is the baseline.
        plan: The plan in a few words.
        validation: Objective -> measurement on the validation part; times by the final session
            where there was one.
        test: Objective -> measurement on the test part, where there is one.
        ratios: Cost objective -> how many times better than the baseline.
        marks: "knee", "fastest within 1 point", ...
        on_front: False for a baseline that is dominated, and for a trial close to the front.
        chance: Probability to be on the front; None where nothing measured is uncertain, and of
            a baseline that the constraints exclude.
        like: Mark -> other trials that may as well have it, by the noise.
        searched: Objective -> what the search had measured, where there is a final measurement.
    """

    trial: int
    plan: str
    validation: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    ratios: Mapping[str, float]
    marks: tuple[str, ...]
    on_front: bool
    chance: float | None = None
    like: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    searched: Mapping[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True)
class FrontInfo:
    """The table: the baseline first, then the front by its first objective, best first.

    Attributes:
        study: Its name.
        axes: The objectives.
        rows: Baseline and front.
        close: Trials that the final numbers put beside the front by less than the noise.
        alike: Objective -> groups of rows; the others of a group do not differ from its first.
        final: How many trials the final session had; None where the search's numbers stand.
        stopped: How many trials racing has stopped or holds up.
        trials: Of how many that were begun.
    """

    study: str
    axes: tuple[Axis, ...]
    rows: tuple[FrontRow, ...]
    close: tuple[FrontRow, ...] = ()
    alike: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    final: int | None = None
    stopped: int = 0
    trials: int = 0

    @property
    def baseline(self) -> FrontRow | None:
        """The baseline's row."""
        return self.rows[0] if self.rows and self.rows[0].trial == 0 else None

    @property
    def on_test(self) -> frozenset[str]:
        """The objectives that every row has on the test part: by these rows are compared."""
        names = [axis.name for axis in self.axes]
        return frozenset(n for n in names if all(n in row.test for row in self.rows))

    def marked(self, mark: str) -> FrontRow | None:
        """The row with this mark."""
        return next((row for row in self.rows if mark in row.marks), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)


def front_info(record: StudyRecord, read: Read | None = None) -> FrontInfo:
    """The table of a study, by its final numbers when the record is settled; pure.

    Args:
        record: The study.
        read: Gives trials by their numbers, where not all are in the record.
    """
    baseline = record.baseline
    chances = shown_chances(record)
    make = _Rows(record, chances)
    others = make.ordered([trial for trial in record.front if trial.number != 0])
    trials = [baseline, *others] if baseline else others
    finalists = finalists_of(record) if record.settled is not None else ()
    return FrontInfo(
        record.name,
        record.axes,
        tuple(map(make.row, trials)),
        tuple(map(make.row, make.ordered(close_to_front(record, chances, read)))),
        alike_of(trials, record),
        len(finalists) if any(trial.final for trial in finalists) else None,
        stopped=record.stopped,
        trials=record.begun,
    )


def shown_chances(record: StudyRecord) -> dict[int, float]:
    """Trial -> probability to be on the front; none where nothing measured is uncertain."""
    return chances_of(record) if uncertain(record) else {}


def close_to_front(
    record: StudyRecord, chances: Mapping[int, float], read: Read | None = None
) -> list[TrialRecord]:
    """Those beside the front that may well be on it; the most probable, best first."""
    beside = [n for n, p in chances.items() if p >= CLOSE and n and n not in record.members]
    wanted = sorted(beside, key=lambda number: -chances[number])[:MOST_CLOSE]
    known = {trial.number: trial for trial in record.trials}
    missing = [number for number in wanted if number not in known]
    known |= {trial.number: trial for trial in read(missing)} if read and missing else {}
    return [known[number] for number in wanted]


class _Rows:
    """Makes the rows of one study."""

    def __init__(self, record: StudyRecord, chances: Mapping[int, float]) -> None:
        self._record, self._chances = record, chances
        self._claims = claims_of(record)

    def ordered(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """By the first objective, best first."""
        first = self._record.axes[0]
        sign = -1 if first.better == "higher" else 1
        return sorted(trials, key=lambda trial: sign * trial.values[first.name])

    def row(self, trial: TrialRecord) -> FrontRow:
        """A trial's row."""
        record, measured = self._record, trial.measurements
        names = [axis.name for axis in record.axes]
        claims = [claim for claim in self._claims if claim.trial == trial.number]
        return FrontRow(
            trial=trial.number,
            plan=plan_text(trial.plan),
            validation={name: measured[name] for name in names if name in measured},
            test={name: trial.test[name] for name in names if name in trial.test},
            ratios=ratios_of(trial, record),
            marks=tuple(claim.text for claim in claims),
            on_front=trial.number in record.members,
            chance=self._chances.get(trial.number),
            like={claim.text: claim.like for claim in claims if claim.like},
            searched={name: trial.searched[name] for name in names if name in trial.searched},
        )


def ratios_of(trial: TrialRecord, record: StudyRecord) -> dict[str, float]:
    """How many times better than the baseline a trial is in each objective that is no fraction."""
    if record.baseline is None:
        return {}
    found = {}
    for axis in record.axes:
        value, base = trial.values.get(axis.name), record.baseline.values[axis.name]
        if axis.unit == "fraction" or not value or not base:
            continue
        found[axis.name] = base / value if axis.better == "lower" else value / base
    return found
