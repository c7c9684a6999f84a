"""StudyReader: the study database -> read-only records. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.database.counts import counts_of, held_up
from paretune.search.database.rows import Rows, open_rows, sql_columns, sql_list, subset
from paretune.search.database.version import SCHEMA, wrong_version
from paretune.search.errors import UserError
from paretune.search.study.records import (
    Axis,
    Counts,
    FrontPoint,
    StudyRecord,
    TrialIntervals,
    TrialRecord,
)

PARTS = {"validation": "measurements", "test": "test", "final": "final"}
"""What a measurement was taken on -> field of a trial's record."""

_MEASUREMENT = ("name", "value", "unit", "better", "low", "high", "count", "conditions")
_FIELDS = frozenset(field.name for field in fields(TrialRecord))
_EMPTY: dict[str, Any] = {
    "values": {},
    "violations": {},
    "seconds": {},
    "cached": (),
    "artifacts": {},
}
_COLUMNS = tuple(field for field in _FIELDS if field not in {*PARTS.values(), "searched"})


class StudyReader:
    """Records of one study database.

    Args:
        rows: How its rows are read.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def study(self) -> dict[str, Any]:
        """The study's row.

        Raises:
            UserError: There is none, or its tables are of another version of Paretune.
        """
        try:
            found = self._rows("SELECT * FROM paretune_study")
        except Exception as error:  # whatever the driver says of a table that is not there
            if "paretune_study" not in str(error):
                raise
            found = []
        if not found:
            raise UserError("storage: there is no Paretune study in this database")
        if found[0]["schema"] != SCHEMA:
            raise UserError(wrong_version(found[0]["schema"]))
        return found[0]

    def record(self) -> StudyRecord:
        """Everything, for plots and reports.

        Raises:
            UserError: There is no study in this database.
        """
        from paretune.search.front.growth import with_hypervolumes

        study = self.study()
        growth = self._rows("SELECT * FROM paretune_front ORDER BY time")
        return with_hypervolumes(self._record(study, growth, tuple(self.trials())))

    def front_record(self) -> StudyRecord:
        """The record for who looks at the front, and only what that takes.

        Its trials are those of the front, the baseline, and whatever was measured again. Of the
        other feasible ones there is who may be on the front, where a run has kept that, or else
        the intervals, where there are any. The growth is its last point.

        Raises:
            UserError: There is no study in this database.
        """
        study = self.study()
        growth = self._last_growth()
        whole = self._named(growth)
        record = self._record(study, growth, tuple(self.trials(whole)))
        stopped = held_up(self._rows, "state IN ('paused', 'stopped') AND repeat_of IS NULL")
        [now] = self._rows(  # at once: each time it would take as long as to read the front
            "SELECT count(CASE WHEN number > 0 AND repeat_of IS NULL THEN 1 END) AS begun, "
            "count(finished) AS ended, max(finished) AS last FROM paretune_trials"
        )
        chances = _kept_chances(study["info"], [now["ended"], now["last"]])
        record = replace(record, counted=(now["begun"], stopped), chances=chances)
        if record.chances is None:
            record = replace(record, other_intervals=self._others(record.axes, whole))
        return record

    def outline(self) -> StudyRecord:
        """The record of baseline, front and what was measured again; of the growth the last point.

        Raises:
            UserError: There is no study in this database.
        """
        study = self.study()
        growth = self._last_growth()
        record = self._record(study, growth, tuple(self.trials(self._named(growth))))
        if all(point.hypervolume is not None for point in record.growth):
            return record
        from paretune.search.front.growth import with_hypervolumes

        every = with_hypervolumes(replace(record, trials=tuple(self._valued())))
        return replace(record, growth=every.growth)

    def counts(self) -> Counts:
        """How many trials and stages there are of each kind."""
        return counts_of(self._rows)

    def trial(self, number: int) -> TrialRecord | None:
        """One trial, or None."""
        return next(iter(self.trials([number])), None)

    def trials(self, numbers: Collection[int] | None = None) -> list[TrialRecord]:
        """All trials, or these, by number."""
        some = "" if numbers is None else f"WHERE number IN {sql_list(numbers)}"
        theirs = "" if numbers is None else f"WHERE trial IN {sql_list(numbers)}"
        measured: dict[int, dict[str, dict[str, Measurement]]] = defaultdict(
            lambda: {name: {} for name in PARTS.values() if name in _FIELDS}
        )
        columns = sql_columns(("trial", "part", *_MEASUREMENT))
        for row in self._rows(f"SELECT {columns} FROM paretune_measurements {theirs}"):
            parts = measured[row["trial"]]
            parts[PARTS[row["part"]]][row["name"]] = Measurement(**subset(row, _MEASUREMENT))
        rows = self._rows(f"SELECT {sql_columns(_COLUMNS)} FROM paretune_trials {some} ORDER BY number")
        return [_trial(row, measured[row["number"]]) for row in rows]

    def steps(self, trial: int) -> list[dict[str, Any]]:
        """What a trial's own trainer reported, by step."""
        return self._rows(f"SELECT * FROM paretune_steps WHERE trial = {int(trial)} ORDER BY step")

    def last_number(self) -> int:
        """The highest trial number, -1 when there is none."""
        number = self._rows("SELECT max(number) AS number FROM paretune_trials")[0]["number"]
        return -1 if number is None else int(number)

    def _last_growth(self) -> list[dict[str, Any]]:
        return self._rows("SELECT * FROM paretune_front ORDER BY time DESC LIMIT 1")

    def _named(self, growth: Sequence[Mapping[str, Any]]) -> set[int]:
        """The baseline, the front's members, and what was measured again."""
        again = self._rows(
            "SELECT DISTINCT trial FROM paretune_measurements WHERE part <> 'validation'"
        )
        members = growth[0]["members"] if growth else ()
        return {0, *members, *(row["trial"] for row in again)}

    def _record(
        self,
        study: Mapping[str, Any],
        growth: Sequence[Mapping[str, Any]],
        trials: tuple[TrialRecord, ...],
    ) -> StudyRecord:
        info = {name: fact for name, fact in study["info"].items() if name != "chances"}
        hosts = self._rows("SELECT digest, facts FROM paretune_hosts")
        facts = {host["digest"]: host["facts"] for host in hosts}
        return StudyRecord(
            name=study["name"],
            source=study["source"],
            axes=tuple(Axis(**axis) for axis in study["axes"]),
            trials=trials,
            growth=tuple(
                FrontPoint(f["trial"], f["time"], f["hypervolume"], tuple(f["members"]))
                for f in growth
            ),
            trial_limit=study["trial_limit"],
            info={**info, "hosts": facts, "end_reason": study["end_reason"]},
        )

    def _others(self, axes: Sequence[Axis], whole: Collection[int]) -> TrialIntervals | None:
        """The intervals of the feasible trials that repeat no other, without those read whole.

        None where no objective has an interval: then the front is certain.
        """
        names = ["'" + axis.name.replace("'", "''") + "'" for axis in axes]
        noisy = self._rows(
            "SELECT 1 AS one FROM paretune_measurements WHERE part = 'validation' "
            f"AND name IN ({', '.join(names)}) AND low < high LIMIT 1"
        )
        if not noisy:
            return None
        import numpy as np  # not read where the front is certain

        columns = "".join(f", m{place}.low, m{place}.high" for place in range(len(axes)))
        joins = " ".join(
            f"JOIN paretune_measurements AS m{place} ON m{place}.trial = number "
            f"AND m{place}.part = 'validation' AND m{place}.name = {name}"
            for place, name in enumerate(names)
        )
        found = self._rows.plain(
            f"SELECT number, {_BOUND}{columns} FROM paretune_trials {joins} {_MEASURED}"
        )
        table = np.array(found, dtype=float).reshape(len(found), 2 + 2 * len(axes))
        left_out = [*whole, *(self._broken() if table[:, 1].any() else ())]
        table = table[~np.isin(table[:, 0], left_out)]
        return TrialIntervals(table[:, 0].astype(int), table[:, 2::2], table[:, 3::2])

    def _broken(self) -> list[int]:
        """The measured trials that break a constraint."""
        rows = self._rows(
            f"SELECT number, violations FROM paretune_trials {_MEASURED} AND {_BOUND} = 1"
        )
        return [row["number"] for row in rows if any(v > 0 for v in row["violations"].values())]

    def _valued(self) -> list[TrialRecord]:
        """The feasible trials that repeat no other, with their values."""
        rows = self._rows(
            f'SELECT number, "values", violations FROM paretune_trials {_MEASURED} ORDER BY number'
        )
        found = [
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
        return [trial for trial in found if trial.feasible]


_MEASURED = "WHERE state = 'complete' AND repeat_of IS NULL"

_BOUND = (
    "CASE WHEN violations IS NULL OR CAST(violations AS TEXT) IN ('{}', 'null') THEN 0 ELSE 1 END"
)
"""Whether a trial was held against any constraint."""


def _kept_chances(info: Mapping[str, Any], now: list[Any]) -> dict[int, float] | None:
    """What `Store.keep_chances` has kept, where it was found from the trials of now."""
    kept = info.get("chances")
    if not kept or kept["of"] != now:
        return None
    return {int(number): chance for number, chance in kept["trials"].items()}


def _trial(row: Mapping[str, Any], measured: Mapping[str, Any]) -> TrialRecord:
    given = {name: row[name] for name in _COLUMNS}
    for name, empty in _EMPTY.items():
        given[name] = given[name] or empty
    return TrialRecord(**{**given, "cached": tuple(given["cached"])}, **measured)


@contextmanager
def study_reader(url: str) -> Iterator[StudyReader]:
    """What lies in an existing database.

    Raises:
        UserError: There is no such database, or it is none.
    """
    with open_rows(url) as rows:
        yield StudyReader(rows)
