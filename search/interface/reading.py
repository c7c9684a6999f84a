"""Reads what the commands and the Python interface show of a study."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.front.final_front import with_final_front

if TYPE_CHECKING:
    from paretune.search.database.reader import StudyReader
    from paretune.search.study.records import Axis, StudyRecord, TrialRecord
    from paretune.search.views.attribution import Contribution
    from paretune.search.views.front_table import FrontInfo
    from paretune.search.views.status import StatusInfo
    from paretune.search.views.workers import WorkerInfo


class NoSuchTrial(UserError, IndexError):
    """No trial has this number."""


@dataclass(frozen=True)
class TrialView:
    """One trial, and what belongs to it.

    Attributes:
        trial: The trial, with its results on each example.
        baseline: Trial 0 in the same form; None if there is none.
        steps: The steps that the user's own trainer reported.
        no_test: Why the study's data has no test part; None if it has one.
        contributions: What each technique of the trial contributed.
        axes: The objectives of the study.
        version: The version of the study that it began under; None if the study never changed.
        is_outside: Whether it lies outside the present space.
    """

    trial: TrialRecord
    baseline: TrialRecord | None
    steps: Sequence[Mapping[str, Any]]
    no_test: str | None
    contributions: Sequence[Contribution] = ()
    axes: Sequence[Axis] = ()
    version: int | None = None
    is_outside: bool = False

    def text(self) -> str:
        """Returns the trial as `paretune show` prints it."""
        from paretune.search.views.contribution_text import contribution_lines
        from paretune.search.views.trial_text import trial_text, version_text

        origin = version_text(self.version, self.is_outside)
        text = trial_text(self.trial, self.steps, self.no_test, self.baseline, origin)
        lines = contribution_lines(self.contributions, self.axes)
        heading = ["what each technique contributed"] if lines else []
        return "\n".join([text, *heading, *(f"  {line}" for line in lines)])

    def to_json(self) -> dict[str, Any]:
        """Returns everything that is stored of the trial."""
        from paretune.search.views.contribution_text import contributions_json
        from paretune.search.views.trial_text import trial_json

        contributions = contributions_json(self.contributions, self.axes)
        changed = {"version": self.version, "outside_the_space": self.is_outside}
        origin = {} if self.version is None else changed
        return {
            **trial_json(self.trial, self.steps),
            **origin,
            "contributions": contributions,
        }


def read_record(url: str) -> StudyRecord:
    """Returns the whole study with its final front, for plots and reports."""
    with study_reader(url) as reader:
        return with_final_front(reader.record())


def read_front(url: str) -> tuple[FrontInfo, list[str]]:
    """Returns the front, and why no trial is feasible; no reasons if one is."""
    from paretune.search.views.front_table import front_info

    with study_reader(url) as reader:
        info = front_info(with_final_front(reader.front_record()), reader.trials)
        return info, _reasons_without_feasible(reader, [row.trial for row in info.rows])


@dataclass(frozen=True)
class FrontWithin:
    """The front of the trials that meet conditions.

    Attributes:
        info: The front.
        within: The conditions.
        nearest: The trial that misses them by least, in words; None if the front has a trial.
        text: How many trials meet the conditions, or that none does, and the nearest one.
    """

    info: FrontInfo
    within: tuple[str, ...]
    nearest: str | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """Returns the front as JSON, with the conditions."""
        return {**self.info.to_json(), "within": list(self.within), "nearest": self.nearest}


def read_front_within(url: str, texts: Sequence[str]) -> FrontWithin:
    """Returns the front of the trials that meet conditions.

    Args:
        url: Storage URL of the study.
        texts: The conditions, such as "size <= 1 MB"; a text may hold several, joined by "and".

    Raises:
        UserError: A text is no condition of this study.
    """
    from paretune.search.front.conditions import read_conditions
    from paretune.search.front.restricted_front import restricted_front
    from paretune.search.views.front_table import front_info

    with study_reader(url) as reader:
        record = reader.record()
    parts = [part for text in texts for part in text.split(" and ")]
    conditions = read_conditions(record, parts, "--within")
    within = tuple(constraint.text for constraint in conditions.constraints)
    wanted, feasible = " and ".join(within), [trial for trial in record.trials if trial.feasible]
    restricted = restricted_front(record, conditions)
    info = front_info(restricted)
    if restricted.members:
        count = sum(conditions.hold(trial) for trial in feasible)
        of = f"{count} of {len(feasible)} feasible trials (baseline included)"
        verb = "meets" if count == 1 else "meet"
        return FrontWithin(info, within, None, f'{of} {verb} "{wanted}"; the front among them:')
    nearest = conditions.nearest(feasible)
    missed = f"trial {nearest.number}: {conditions.missed(nearest)}" if nearest else "no trial yet"
    text = f'no trial meets "{wanted}"; the nearest is {missed}'
    return FrontWithin(info, within, missed, text)


def read_status(url: str) -> tuple[StatusInfo, list[str]]:
    """Returns the progress, and why no trial is feasible; no reasons if one is."""
    from paretune.search.running.liveness import lives
    from paretune.search.views.status import status_info

    with study_reader(url) as reader:
        record = with_final_front(reader.outline())
        workers = [worker for worker in reader.workers() if lives(worker)]
        info = status_info(record, reader.counts(), workers, reader.wanted())
        return info, _reasons_without_feasible(reader, info.front)


def read_workers(url: str) -> tuple[str, list[WorkerInfo]]:
    """Returns the name of a study, and its living workers.

    Raises:
        UserError: There is no study, or the database cannot be read.
    """
    from paretune.search.running.liveness import lives
    from paretune.search.views.workers import worker_infos

    with study_reader(url) as reader:
        name = str(reader.study()["name"])
        return name, worker_infos([worker for worker in reader.workers() if lives(worker)])


def read_trial(url: str, number: int) -> TrialView:
    """Returns one trial.

    Raises:
        NoSuchTrial: There is no such trial.
    """
    with study_reader(url) as reader:
        reader.study()  # refuses a database without a study
        record = reader.trial(number)
        if record is None:
            raise NoSuchTrial(
                f"trial {number}: there is no such trial; the last is {reader.last_number()}"
            )
        pair = reader.with_examples(reader.trials({0, number}))
        steps = reader.steps(number)
        outline = reader.outline()
        contributions = _contributions(reader, pair[-1], outline.axes)
        versions = outline.versions
        version = reader.version_of(number) if versions else None
        is_outside = bool(versions) and number in versions[-1].changes.outside
    no_test = outline.no_test if record.measurements else None
    baseline = pair[0] if pair[0].number == 0 else None
    return TrialView(
        pair[-1], baseline, steps, no_test, contributions, outline.axes, version, is_outside
    )


def _contributions(
    reader: StudyReader, trial: TrialRecord, axes: Sequence[Axis]
) -> Sequence[Contribution]:
    if not trial.measured_now or trial.number == 0:
        return ()
    from paretune.search.views.attribution import contributions_of

    return contributions_of(trial, reader.plans(), axes, reader.measured)


def _reasons_without_feasible(reader: StudyReader, front: Collection[int]) -> list[str]:
    """Returns why no trial is feasible, for people; empty if one is.

    Args:
        reader: Reads the study.
        front: Numbers of the trials on the front, 0 for the baseline.
    """
    if any(front):
        return []
    from paretune.search.views.infeasibility import infeasible_lines

    return infeasible_lines(reader.record())
