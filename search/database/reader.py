"""Reads records from the study database; writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from sys import intern
from typing import Any, cast

from paretune.objectives.base import Measurement
from paretune.objectives.example_results import ExampleResults
from paretune.search.database.counts import IS_SEARCH, count_trials, counts_of
from paretune.search.database.damage import run_command, sqlite_file
from paretune.search.database.repeat_rows import read_repeats
from paretune.search.database.rows import Rows, open_rows, sql_columns, sql_list, subset
from paretune.search.database.version import SCHEMA, wrong_version
from paretune.search.database.versions import FIRST, read_trial_versions, read_versions
from paretune.search.database.worker_rows import activity_rows, run_options, wanted, worker_rows
from paretune.search.errors import UserError
from paretune.search.study.records import (
    Axis,
    Counts,
    FrontPoint,
    StudyRecord,
    SubnetScores,
    TrialIntervals,
    TrialRecord,
)
from paretune.search.study.version import StudyVersion

PARTS = {"validation": "measurements", "test": "test", "final": "final"}
"""The `part` of a measurement -> the field of TrialRecord that holds it."""

TRIAL_COLUMNS = tuple(
    field.name
    for field in fields(TrialRecord)
    if field.name not in {*PARTS.values(), "searched", "seeds", "single"}
)
"""Columns of a trial's row that are fields of TrialRecord, too."""

_MEASUREMENT_COLUMNS = tuple(
    field.name for field in fields(Measurement) if field.name != "per_example"
)

_EXAMPLE_COLUMNS = tuple(field.name for field in fields(ExampleResults))

READ_TOGETHER = 1000
"""Trials that are read by one statement of many: their rows take as much memory as the trials."""

_EMPTY: dict[str, Any] = {
    "values": {},
    "violations": {},
    "seconds": {},
    "cached": (),
    "artifacts": {},
}
"""Column -> the field's value if the column is null."""


class StudyReader:
    """Reads the records of one study database.

    Args:
        rows: Reads its rows.
        name: Name of the database, for error texts.
    """

    def __init__(self, rows: Rows, name: str = "storage") -> None:
        self._rows = rows
        self._name = name

    @property
    def rows(self) -> Rows:
        """Reads any rows of the database."""
        return self._rows

    def study(self) -> dict[str, Any]:
        """Returns the study's row.

        Raises:
            UserError: There is none, or its tables are of another version of Paretune.
        """
        try:
            studies = self._rows("SELECT * FROM paretune_study")
        except Exception as error:  # each driver has its own error for a missing table
            if "paretune_study" not in str(error):
                raise
            studies = []
        if not studies:
            raise UserError(
                f"{self._name}: there is no Paretune study in this database; start it with: "
                f"{run_command(Path(self._name))}"
            )
        if studies[0]["schema"] != SCHEMA:
            raise UserError(wrong_version(studies[0]["schema"]))
        return studies[0]

    def record(self) -> StudyRecord:
        """Returns the whole study, for plots and reports.

        Raises:
            UserError: There is no study in this database.
        """
        from paretune.search.front.growth import with_hypervolumes

        study = self.study()
        history = self._rows("SELECT * FROM paretune_front ORDER BY time")
        record = with_hypervolumes(self._record(study, history, tuple(self.trials())))
        record = replace(record, rounds=self.rounds())
        if not self._has_examples():
            return record
        compared = self._front_and_remeasured(history[-1:]) | self._near_front(record)
        return replace(record, trials=self._paired(record.trials, compared))

    def front_record(self) -> StudyRecord:
        """Returns what `paretune front` needs, and no more.

        The trials are the front, the baseline and all that were measured again. Other feasible
        trials have their chances to be on the front, if a run has saved them. Otherwise they have
        their intervals, if there are any; those near the front are complete then, as their accuracy
        is paired. The hypervolume history has its last point only.

        Raises:
            UserError: There is no study in this database.
        """
        study = self.study()
        history = self._last_front()
        numbers = self._front_and_remeasured(history)
        record = self._record(study, history, tuple(self.trials(numbers)))
        stopped = count_trials(self._rows, f"state IN ('paused', 'stopped') AND {IS_SEARCH}")
        [counts] = self._rows(  # one statement: each takes as long as reading the front
            f"SELECT count(CASE WHEN {IS_SEARCH} THEN 1 END) AS begun, "
            "count(finished) AS ended, max(finished) AS last FROM paretune_trials"
        )
        chances = _saved_chances(study["info"], counts["ended"], counts["last"])
        record = replace(record, counted=(counts["begun"], stopped), chances=chances)
        if record.chances is None:
            record = replace(record, other_intervals=self._intervals(record.axes, numbers))
        if not self._has_examples():
            return record
        record = self._with_near_front(record)
        return replace(
            record, trials=self._paired(record.trials, [t.number for t in record.trials])
        )

    def outline(self) -> StudyRecord:
        """Returns the baseline, the front, the trials measured again and the last front point.

        Raises:
            UserError: There is no study in this database.
        """
        study = self.study()
        history = self._last_front()
        trials = tuple(self.trials(self._front_and_remeasured(history)))
        record = self._record(study, history, trials)
        if all(point.hypervolume is not None for point in record.growth):
            return record
        from paretune.search.front.growth import with_hypervolumes

        complete = with_hypervolumes(replace(record, trials=tuple(self._feasible_values())))
        return replace(record, growth=complete.growth)

    def wanted(self) -> str:
        """Returns what the user asks of the workers: `run`, `pause` or `stop`."""
        return wanted(self._rows)

    def run_options(self) -> list[str]:
        """Returns the options of the last `paretune run`, such as `--set`."""
        return run_options(self._rows)

    def workers(self) -> list[dict[str, Any]]:
        """Returns the workers that have not ended properly, each with its `activity` or None."""
        activity = activity_rows(self._rows)
        return [{**row, "activity": activity.get(row["id"])} for row in worker_rows(self._rows)]

    def counts(self) -> Counts:
        """Counts the trials and stages of each kind."""
        return counts_of(self._rows)

    def trial(self, number: int) -> TrialRecord | None:
        """Returns one trial, or None."""
        return next(iter(self.trials([number])), None)

    def trials(self, numbers: Collection[int] | None = None) -> list[TrialRecord]:
        """Returns the trials of these numbers, or all trials; in order of number.

        Other workers write meanwhile. A trial is complete in the same write as its measurements, so
        these are read after it: none of a complete trial can be missing.
        """
        stages: dict[str, Any] = {}
        if numbers is not None:
            trials = self._trials(f"IN {sql_list(numbers)}", stages)
        else:
            starts = range(0, self.last_number() + 1, READ_TOGETHER)
            parts = (f"BETWEEN {n} AND {n + READ_TOGETHER - 1}" for n in starts)
            trials = [trial for part in parts for trial in self._trials(part, stages)]
        seeds = read_repeats(self._rows, numbers) if trials else {}
        return [replace(t, seeds=seeds[t.number]) if t.number in seeds else t for t in trials]

    def _trials(self, which: str, stages: dict[str, Any]) -> list[TrialRecord]:
        """Returns some trials, without their further trainings.

        Args:
            which: The condition on their numbers, in SQL.
            stages: Stages that plans share, as `shared_stage` has them.
        """
        columns = sql_columns(TRIAL_COLUMNS)
        rows = self._rows(
            f"SELECT {columns} FROM paretune_trials WHERE number {which} ORDER BY number"
        )
        for row in rows:
            row["plan"] = [shared_stage(stage, stages) for stage in row["plan"]]
        measured: dict[int, dict[str, dict[str, Measurement]]] = defaultdict(
            lambda: {field: {} for field in PARTS.values()}
        )
        columns = sql_columns(("trial", "part", *_MEASUREMENT_COLUMNS))
        for row in self._rows(f"SELECT {columns} FROM paretune_measurements WHERE trial {which}"):
            by_name = measured[row["trial"]][PARTS[row["part"]]]
            columns_of = subset(row, _MEASUREMENT_COLUMNS)
            columns_of |= {name: intern(columns_of[name]) for name in ("name", "unit", "better")}
            by_name[columns_of["name"]] = Measurement(**columns_of)
        return [_trial(row, measured[row["number"]]) for row in rows]

    def measured(self, numbers: Collection[int]) -> list[TrialRecord]:
        """Returns the trials of these numbers; their measurements have results on each example."""
        return self.with_examples(self.trials(numbers))

    def plans(self) -> list[TrialRecord]:
        """Returns all trials with their plans and values, without parameters and measurements."""
        rows = self._rows(
            'SELECT number, state, plan, "values", repeat_of FROM paretune_trials ORDER BY number'
        )
        return [
            TrialRecord(
                row["number"],
                row["state"],
                {},
                row["plan"],
                row["values"] or {},
                repeat_of=row["repeat_of"],
            )
            for row in rows
        ]

    def with_examples(self, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the trials; their measurements have the results on each example."""
        numbers = sql_list([trial.number for trial in trials])
        columns = sql_columns(("trial", "part", "name", *_EXAMPLE_COLUMNS))
        results: dict[int, dict[str, dict[str, ExampleResults]]] = defaultdict(
            lambda: {field: {} for field in PARTS.values()}
        )
        for row in self._rows(
            f"SELECT {columns} FROM paretune_examples WHERE trial IN {numbers} "
            "AND part IN ('validation', 'test')"
        ):
            results[row["trial"]][PARTS[row["part"]]][row["name"]] = example_results_of(row)
        return [_with_examples(t, results[t.number]) if t.number in results else t for t in trials]

    def _has_examples(self) -> bool:
        """Returns whether any trial has results on each example."""
        return bool(self._rows("SELECT 1 AS one FROM paretune_examples LIMIT 1"))

    def _paired(
        self, trials: Sequence[TrialRecord], numbers: Collection[int]
    ) -> tuple[TrialRecord, ...]:
        """Returns the trials; those of these numbers with results on each example."""
        compared = self.with_examples([t for t in trials if t.number in numbers])
        by_number = {trial.number: trial for trial in compared}
        return tuple(by_number.get(trial.number, trial) for trial in trials)

    def _near_front(self, record: StudyRecord) -> frozenset[int]:
        from paretune.search.front.final_front import near_front

        return near_front(record)

    def _with_near_front(self, record: StudyRecord) -> StudyRecord:
        """Returns the record with the trials near the front complete, instead of as intervals."""
        others = record.other_intervals
        if others is None:
            return record
        import numpy as np

        near = self._near_front(record) & frozenset(others.numbers.tolist())
        trials = sorted([*record.trials, *self.trials(near)], key=lambda trial: trial.number)
        rest = ~np.isin(others.numbers, list(near))
        others = TrialIntervals(others.numbers[rest], others.low[rest], others.high[rest])
        return replace(record, trials=tuple(trials), other_intervals=others)

    def rounds(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the rounds of `paretune optimize`, in order; empty in a study without them."""
        try:
            rows = self._rows("SELECT content FROM paretune_rounds ORDER BY number")
        except Exception as error:  # each driver has its own error for a missing table
            if "paretune_rounds" not in str(error):
                raise
            return ()  # a study of an earlier version, which no run has opened since
        return tuple(row["content"] for row in rows)

    def stages(self) -> dict[str, dict[str, Any]]:
        """Returns key -> row of all stages that were trained, those dropped since included."""
        return {row["key"]: row for row in self._rows("SELECT * FROM paretune_stages")}

    def curve(self, key: str) -> list[dict[str, Any]]:
        """Returns the learning curve of a stage: epoch, loss, accuracy and seconds."""
        return self._rows(
            "SELECT epoch, loss, accuracy, seconds FROM paretune_curves WHERE stage_key = "
            f"'{key}' ORDER BY epoch"
        )

    def steps(self, trial: int) -> list[dict[str, Any]]:
        """Returns the steps that the trial's custom trainer reported, in order."""
        return self._rows(f"SELECT * FROM paretune_steps WHERE trial = {int(trial)} ORDER BY step")

    def numbers(self) -> list[int]:
        """Returns the numbers of all trials, in order."""
        rows = self._rows.plain("SELECT number FROM paretune_trials ORDER BY number")
        return [int(number) for (number,) in rows]

    def versions(self) -> list[StudyVersion]:
        """Returns the versions of the study in order; empty if it never changed."""
        return read_versions(self._rows)

    def version_of(self, number: int) -> int:
        """Returns the version that a trial began under."""
        return read_trial_versions(self._rows).get(number, FIRST)

    def last_number(self) -> int:
        """Returns the highest trial number; -1 if there are no trials."""
        number = self._rows("SELECT max(number) AS number FROM paretune_trials")[0]["number"]
        return -1 if number is None else int(number)

    def _last_front(self) -> list[dict[str, Any]]:
        return self._rows("SELECT * FROM paretune_front ORDER BY time DESC LIMIT 1")

    def _front_and_remeasured(self, history: Sequence[Mapping[str, Any]]) -> set[int]:
        """Returns the numbers of the baseline, the front and the trials measured again."""
        remeasured = self._rows(
            "SELECT DISTINCT trial FROM paretune_measurements WHERE part <> 'validation'"
        )
        members = history[0]["members"] if history else ()
        repeated = read_repeats(self._rows)
        return {0, *members, *(row["trial"] for row in remeasured), *repeated}

    def _record(
        self,
        study: Mapping[str, Any],
        history: Sequence[Mapping[str, Any]],
        trials: tuple[TrialRecord, ...],
    ) -> StudyRecord:
        info = {name: fact for name, fact in study["info"].items() if name != "chances"}
        rows = self._rows("SELECT digest, facts FROM paretune_hosts")
        hosts = {row["digest"]: row["facts"] for row in rows}
        return StudyRecord(
            name=study["name"],
            source=study["source"],
            axes=tuple(Axis(**axis) for axis in study["axes"]),
            trials=trials,
            growth=tuple(
                FrontPoint(row["trial"], row["time"], row["hypervolume"], tuple(row["members"]))
                for row in history
            ),
            trial_limit=study["trial_limit"],
            info={**info, "hosts": hosts, "end_reason": study["end_reason"]},
            versions=tuple(read_versions(self._rows)),
            subnet_scores=self._subnet_scores(study),
        )

    def _subnet_scores(self, study: Mapping[str, Any]) -> SubnetScores | None:
        """Returns the scores of an elastic network's subnets, if the study has one."""
        if "elastic" not in str(study["source"].get("space")):
            return None
        from paretune.search.database.subnet_rows import read_subnet_scores

        return read_subnet_scores(self._rows, [Axis(**axis) for axis in study["axes"]])

    def _intervals(self, axes: Sequence[Axis], excluded: Collection[int]) -> TrialIntervals | None:
        """Returns the intervals of the feasible trials that repeat no other.

        Args:
            axes: The objectives.
            excluded: Trials to leave out.

        Returns:
            None if no objective has an interval: the front is certain then.
        """
        names = ["'" + axis.name.replace("'", "''") + "'" for axis in axes]
        noisy = self._rows(
            "SELECT 1 AS one FROM paretune_measurements WHERE part = 'validation' "
            f"AND name IN ({', '.join(names)}) AND low < high LIMIT 1"
        )
        if not noisy:
            return None
        import numpy as np  # slow to import, and not needed if the front is certain

        columns = "".join(f", m{index}.low, m{index}.high" for index in range(len(axes)))
        joins = " ".join(
            f"JOIN paretune_measurements AS m{index} ON m{index}.trial = number "
            f"AND m{index}.part = 'validation' AND m{index}.name = {name}"
            for index, name in enumerate(names)
        )
        rows = self._rows.plain(
            f"SELECT number, {_IS_CONSTRAINED}{columns} FROM paretune_trials {joins} {_WHERE_DONE}"
        )
        table = np.array(rows, dtype=float).reshape(len(rows), 2 + 2 * len(axes))
        infeasible = self._infeasible() if table[:, 1].any() else ()
        table = table[~np.isin(table[:, 0], [*excluded, *infeasible])]
        return TrialIntervals(table[:, 0].astype(int), table[:, 2::2], table[:, 3::2])

    def _infeasible(self) -> list[int]:
        """Returns the numbers of the complete trials that break a constraint."""
        rows = self._rows(
            f"SELECT number, violations FROM paretune_trials {_WHERE_DONE} "
            f"AND {_IS_CONSTRAINED} = 1"
        )
        return [row["number"] for row in rows if any(v > 0 for v in row["violations"].values())]

    def _feasible_values(self) -> list[TrialRecord]:
        """Returns the feasible trials that repeat no other, with their values alone."""
        rows = self._rows(
            f'SELECT number, "values", violations FROM paretune_trials {_WHERE_DONE} '
            "ORDER BY number"
        )
        trials = [
            TrialRecord(
                row["number"],
                "complete",
                {},
                [],
                row["values"],
                violations=row["violations"] or {},
            )
            for row in rows
        ]
        return [trial for trial in trials if trial.feasible]


_WHERE_DONE = (
    "WHERE state = 'complete' AND repeat_of IS NULL "
    "AND \"values\" IS NOT NULL AND CAST(\"values\" AS TEXT) NOT IN ('{}', 'null')"
)

_IS_CONSTRAINED = (
    "CASE WHEN violations IS NULL OR CAST(violations AS TEXT) IN ('{}', 'null') THEN 0 ELSE 1 END"
)
"""1 for a trial for which any constraint was checked, else 0."""


def _saved_chances(
    info: Mapping[str, Any], ended: int, last: float | None
) -> dict[int, float] | None:
    """Returns the chances that `Store.save_chances` saved; None if they are out of date.

    Args:
        info: The `info` of the study's row.
        ended: How many trials have ended now.
        last: Unix time when the last of them ended.
    """
    saved = info.get("chances")
    if not saved or (saved["ended"], saved["last"]) != (ended, last):
        return None
    return {int(number): chance for number, chance in saved["trials"].items()}


def shared_stage(stage: dict[str, Any], stages: dict[str, Any]) -> dict[str, Any]:
    """Returns an equal stage of an earlier trial, if there is one: most trials share some.

    The parameters of a stage are shared as well, and the parts of these. In 10,000 trials that
    saves 100 MB.

    Args:
        stage: Kind and parameters.
        stages: Text -> stage, or parameter of one; it tells 1 from 1.0 and True.
    """
    text = repr(stage)
    if text not in stages:
        params = stage.get("params") or {}
        for name, value in params.items():
            if isinstance(value, dict | list):
                params[name] = _shared_value(value, stages)
        stages[text] = stage
    return cast(dict[str, Any], stages[text])


def _shared_value(value: Any, values: dict[str, Any]) -> Any:
    """Returns an equal value with equal parts of an earlier trial, as far as there are any."""
    text = repr(value)
    if text not in values:
        if isinstance(value, dict):
            for name, part in value.items():
                if isinstance(part, dict | list):
                    value[name] = values.setdefault(repr(part), part)
        values[text] = value
    return values[text]


def _trial(row: Mapping[str, Any], measured: Mapping[str, Any]) -> TrialRecord:
    columns = {name: row[name] for name in TRIAL_COLUMNS}
    for name, empty in _EMPTY.items():
        columns[name] = columns[name] or empty
    return TrialRecord(**{**columns, "cached": tuple(columns["cached"])}, **measured)


def example_results_of(row: Mapping[str, Any]) -> ExampleResults:
    """Returns the results on each example that a row holds."""
    return ExampleResults(**{**subset(row, _EXAMPLE_COLUMNS), "packed": bytes(row["packed"])})


def _with_examples(
    trial: TrialRecord, results: Mapping[str, Mapping[str, ExampleResults]]
) -> TrialRecord:
    """Returns a trial with results on each example.

    Args:
        trial: The trial.
        results: Field of the record -> quantity -> results.
    """
    changed: dict[str, Any] = {
        field: {
            name: replace(m, per_example=by_name[name]) if name in by_name else m
            for name, m in getattr(trial, field).items()
        }
        for field, by_name in results.items()
        if by_name
    }
    return replace(trial, **changed)


@contextmanager
def study_reader(url: str) -> Iterator[StudyReader]:
    """Opens an existing database for reading.

    Raises:
        UserError: There is no such database, or the file is not a database.
    """
    with open_rows(url) as rows:
        yield StudyReader(rows, str(sqlite_file(url) or "storage"))
