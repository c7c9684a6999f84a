"""The table of trade-offs: the baseline, the front, and the marks that help to choose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from paretune.objectives.base import Measurement, json_of
from paretune.search.front.changes import Change, changes_of
from paretune.search.front.final_front import front_chances, is_uncertain, remeasured_trials
from paretune.search.front.highlights import highlights_of, tied_groups
from paretune.search.front.same_network import FLOAT, same_network_trials
from paretune.search.front.seed_means import SeedSpread, seed_spread
from paretune.search.front.seed_outcome import SeedOutcome, seed_outcome
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.subnet_agreement import SubnetAgreement, subnet_agreement

ReadTrials: TypeAlias = Callable[[Collection[int]], Sequence[TrialRecord]]
"""Trial numbers -> trials."""

CLOSE = 0.25
"""A trial that is not on the front is shown if its probability to be on it is this or more."""

MOST_CLOSE = 5
"""Most such trials."""

ROWS = ("rows", "close", "same_network")
"""The fields of FrontInfo that hold rows, in every study."""


@dataclass(frozen=True)
class FrontRow:
    """One trade-off.

    Attributes:
        trial: Trial number; 0 is the baseline.
        plan: The plan in a few words.
        validation: Objective -> measurement on the validation part; times are those of the final
            session if there was one.
        test: Objective -> measurement on the test part; empty if there is none.
        ratios: Cost objective -> how many times better than the baseline.
        marks: "knee", "fastest within 1 point", ...
        on_front: Whether the trial is on the front; a dominated baseline is not.
        chance: Probability to be on the front; None if all measurements are exact, and for a
            baseline that breaks a constraint.
        ties: Mark -> other trials that may deserve it as well, within noise.
        searched: Objective -> measurement of the search, if a final one replaces it.
        changes: Objective -> difference from the baseline; empty for the baseline.
        seeds: Objective -> the trainings behind its mean over seeds; empty for a single training.
    """

    trial: int
    plan: str
    validation: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    ratios: Mapping[str, float]
    marks: tuple[str, ...]
    on_front: bool
    chance: float | None = None
    ties: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    searched: Mapping[str, Measurement] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    seeds: Mapping[str, SeedSpread] = field(default_factory=dict)


@dataclass(frozen=True)
class FrontInfo:
    """The table: the baseline first, then the front, ordered by the first objective, best first.

    Attributes:
        study: Study name.
        axes: The objectives.
        rows: The baseline and the front.
        close: Trials that are not on the front, but within noise of it.
        same_network: Trials of the baseline's own network that are not among these rows: trained as
            the candidates are, and in each number format.
        retrained: The trial of the baseline's network without quantization; None if no trial
            trained it, or no final session measured one.
        beyond_retrained: Trial -> the difference of its score from that of `retrained`.
        tied: Objective -> groups of rows; each row is within noise of the first of its group.
        final: Number of trials in the final session; None if the search's numbers are shown.
        stopped: Number of trials that racing stopped or paused.
        trials: Number of trials that were started.
        no_test: Why the data has no test part; None if it has one.
        data_notes: Sentences about the origin of the data's parts.
        subnets: Scores of an elastic network's subnets; None without elastic training.
        seeds: What trainings with other seeds say; None in a study without repeats.
        not_confirmed: Members of the search's front that left it after these trainings.
    """

    study: str
    axes: tuple[Axis, ...]
    rows: tuple[FrontRow, ...]
    close: tuple[FrontRow, ...] = ()
    same_network: tuple[FrontRow, ...] = ()
    retrained: FrontRow | None = None
    beyond_retrained: Mapping[int, Change] = field(default_factory=dict)
    tied: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    final: int | None = None
    stopped: int = 0
    trials: int = 0
    no_test: str | None = None
    data_notes: tuple[str, ...] = ()
    subnets: SubnetAgreement | None = None
    seeds: SeedOutcome | None = None
    not_confirmed: tuple[FrontRow, ...] = ()

    @property
    def baseline(self) -> FrontRow | None:
        """The baseline's row; None without a baseline."""
        return self.rows[0] if self.rows and self.rows[0].trial == 0 else None

    @property
    def on_test(self) -> frozenset[str]:
        """The objectives that every row has on the test part; rows are compared by these."""
        names = [axis.name for axis in self.axes]
        return frozenset(n for n in names if all(n in row.test for row in self.rows))

    def marked(self, mark: str) -> FrontRow | None:
        """Returns the row with this mark, or None."""
        return next((row for row in self.rows if mark in row.marks), None)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON.

        `subnets` is there only in a study with elastic training, and what belongs to seeds only in
        one with repeats.
        """
        fields: dict[str, Any] = json_of(self)
        if not self.subnets:
            del fields["subnets"]
        if not self.seeds:
            del fields["seeds"], fields["not_confirmed"]
            rows = [row for key in ROWS for row in fields[key]]
            for row in (*rows, *([fields["retrained"]] if self.retrained else [])):
                del row["seeds"]
        return fields


def front_info(record: StudyRecord, read: ReadTrials | None = None) -> FrontInfo:
    """Returns the table of a study, by its final numbers if the record has a final front; pure.

    Args:
        record: The study.
        read: Reads trials by number; needed if the record does not hold all trials.
    """
    baseline = record.baseline
    chances = shown_chances(record)
    make = _RowMaker(record, chances)
    others = make.ordered([trial for trial in record.front if trial.number != 0])
    trials = [baseline, *others] if baseline else others
    outcome = seed_outcome(record)
    left = _left_front(record, outcome)
    close = make.ordered(
        [t for t in close_to_front(record, chances, read) if t.number not in set(left)]
    )
    finalists = remeasured_trials(record) if record.final_members is not None else ()
    same = same_network_trials(finalists, baseline, record.axes)
    shown = {*left, *(trial.number for trial in (*trials, *close))}
    retrained = same.get(FLOAT)
    return FrontInfo(
        record.name,
        record.axes,
        tuple(map(make.row, trials)),
        tuple(map(make.row, close)),
        tuple(make.row(trial) for trial in same.values() if trial.number not in shown),
        make.row(retrained) if retrained else None,
        _score_changes([*trials, *close, *same.values()], retrained, record.axes),
        tied_groups(trials, record),
        len(finalists) if any(trial.final for trial in finalists) else None,
        stopped=record.stopped,
        no_test=record.no_test,
        data_notes=record.data_notes,
        trials=record.trial_count,
        subnets=subnet_agreement(record.subnet_scores),
        seeds=outcome,
        not_confirmed=tuple(map(make.row, make.ordered(list(left.values())))),
    )


def _left_front(record: StudyRecord, outcome: SeedOutcome | None) -> dict[int, TrialRecord]:
    """Returns number -> trial, of the trials that left the front after further trainings."""
    numbers = outcome.not_confirmed if outcome else ()
    return {trial.number: trial for trial in record.trials if trial.number in numbers}


def _score_changes(
    trials: Sequence[TrialRecord], other: TrialRecord | None, axes: Sequence[Axis]
) -> dict[int, Change]:
    """Returns trial -> difference of its first score from that of another trial."""
    scores = [axis for axis in axes if axis.is_score][:1]
    changes = {trial.number: changes_of(trial, other, scores) for trial in trials}
    return {number: next(iter(by_name.values())) for number, by_name in changes.items() if by_name}


def shown_chances(record: StudyRecord) -> dict[int, float]:
    """Returns trial -> probability to be on the front; empty if all measurements are exact."""
    return front_chances(record) if is_uncertain(record) else {}


def close_to_front(
    record: StudyRecord, chances: Mapping[int, float], read: ReadTrials | None = None
) -> list[TrialRecord]:
    """Returns the trials that are not on the front but most probably could be, best first."""
    close = [n for n, p in chances.items() if p >= CLOSE and n and n not in record.members]
    numbers = sorted(close, key=lambda number: -chances[number])[:MOST_CLOSE]
    trials = {trial.number: trial for trial in record.trials}
    missing = [number for number in numbers if number not in trials]
    trials |= {trial.number: trial for trial in read(missing)} if read and missing else {}
    return [trials[number] for number in numbers]


class _RowMaker:
    """Makes the rows of one study."""

    def __init__(self, record: StudyRecord, chances: Mapping[int, float]) -> None:
        self._record, self._chances = record, chances
        self._highlights = highlights_of(record)

    def ordered(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the trials ordered by the first objective, best first."""
        first = self._record.axes[0]
        sign = -1 if first.better == "higher" else 1
        return sorted(trials, key=lambda trial: sign * trial.values[first.name])

    def row(self, trial: TrialRecord) -> FrontRow:
        """Returns the row of a trial."""
        record, measured = self._record, trial.measurements
        names = [axis.name for axis in record.axes]
        highlights = [h for h in self._highlights if h.trial == trial.number]
        return FrontRow(
            trial=trial.number,
            plan=trial_plan_text(trial),
            validation={name: measured[name] for name in names if name in measured},
            test={name: trial.test[name] for name in names if name in trial.test},
            ratios=ratios_of(trial, record),
            marks=tuple(h.text for h in highlights),
            on_front=trial.number in record.members,
            chance=self._chances.get(trial.number),
            ties={h.text: h.ties for h in highlights if h.ties},
            searched={name: trial.searched[name] for name in names if name in trial.searched},
            changes=changes_of(trial, record.baseline, record.axes),
            seeds={n: s for n in names if (s := seed_spread(measured.get(n)))},
        )


def ratios_of(trial: TrialRecord, record: StudyRecord) -> dict[str, float]:
    """Returns objective -> how many times better than the baseline; scores have no ratio."""
    if record.baseline is None:
        return {}
    ratios = {}
    for axis in record.axes:
        value, base = trial.values.get(axis.name), record.baseline.values[axis.name]
        if axis.is_score or not value or not base:
            continue
        ratios[axis.name] = base / value if axis.better == "lower" else value / base
    return ratios
