"""The rows of the page's trials: few columns, read quickly, and only those that changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paretune.search.database.rows import Rows, sql_list
from paretune.search.study.records import Axis
from paretune.search.views.plan_text import plan_text

LONGEST_REASON = 200
"""Most characters of a reason; `trials/{n}` has all of it."""

OPEN = ("running", "paused")
"""States of trials that have not ended."""


@dataclass(frozen=True)
class TrialRow:
    """A trial as a row of the page.

    Attributes:
        number: Trial number; 0 is the baseline.
        state: As in `TrialRecord`.
        started: Unix time.
        finished: Unix time; None if it has not ended.
        plan: The plan in a few words.
        values: Objective -> value; empty if it has none.
        low: Objective -> lower end of the 95 % interval.
        high: Objective -> upper end.
        broken: Broken constraint -> violation; None if it breaks none.
        reason: Stage and text of an infeasible, failed, stopped or paused trial; else None.
        repeat_of: The trial with the same plan, which answered it; or None.
        variant_of: The trial that trained its network; or None.
        version: Version of the study that it was made under.
    """

    number: int
    state: str
    started: float
    finished: float | None
    plan: str
    values: Mapping[str, float] = field(default_factory=dict)
    low: Mapping[str, float] = field(default_factory=dict)
    high: Mapping[str, float] = field(default_factory=dict)
    broken: Mapping[str, float] | None = None
    reason: str | None = None
    repeat_of: int | None = None
    variant_of: int | None = None
    version: int = 1

    @property
    def feasible(self) -> bool:
        """Whether it is complete and breaks no constraint."""
        return self.state == "complete" and self.broken is None


class TrialReader:
    """Reads rows of trials from one study database.

    Args:
        rows: Queries the database.
        sqlite: Whether it is SQLite, which has its own functions for JSON.
        axes: The objectives.
        versions: Whether the database has the versions of trials.
    """

    def __init__(self, rows: Rows, sqlite: bool, axes: Sequence[Axis], versions: bool) -> None:
        self._rows = rows
        self._names = [axis.name for axis in axes]
        self._versions = versions
        pruned = (
            "json_extract(artifact, '$.info.pruned')"
            if sqlite
            else "CAST(artifact #> '{info,pruned}' AS TEXT)"
        )
        self._columns = (
            f'number, state, started, finished, plan, "values", violations, reason, repeat_of, '
            f"variant_of, {pruned}"
        )

    def read(self, above: int = -1, numbers: Collection[int] = ()) -> list[TrialRow]:
        """Returns the rows of the trials above a number, and of these numbers; in order."""
        rows = self._read(f"number > {int(above)}", f"trial > {int(above)}")
        lower = [number for number in numbers if number <= above]
        if lower:
            chosen = sql_list(lower)
            rows += self._read(f"number IN {chosen}", f"trial IN {chosen}")
        return sorted(rows, key=lambda row: row.number)

    def states(self) -> dict[int, tuple[str, float | None]]:
        """Returns trial number -> (state, time of its end)."""
        rows = self._rows.plain("SELECT number, state, finished FROM paretune_trials")
        return {number: (state, finished) for number, state, finished in rows}

    def _read(self, trials: str, measured: str) -> list[TrialRow]:
        rows = self._rows.plain(f"SELECT {self._columns} FROM paretune_trials WHERE {trials}")
        if not rows:
            return []
        low, high = self._intervals(measured)
        versions = self._trial_versions(measured)
        return [self._row(row, low, high, versions) for row in rows]

    def _intervals(self, measured: str) -> tuple[dict[int, Any], dict[int, Any]]:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in self._names)
        low: dict[int, dict[str, float]] = {}
        high: dict[int, dict[str, float]] = {}
        for trial, name, lower, upper in self._rows.plain(
            "SELECT trial, name, low, high FROM paretune_measurements "
            f"WHERE part = 'validation' AND name IN ({names}) AND {measured}"
        ):
            low.setdefault(trial, {})[name] = lower
            high.setdefault(trial, {})[name] = upper
        return low, high

    def _trial_versions(self, measured: str) -> dict[int, int]:
        if not self._versions:
            return {}
        return dict(
            self._rows.plain(f"SELECT trial, version FROM paretune_trial_versions WHERE {measured}")
        )

    def _row(
        self,
        row: Sequence[Any],
        low: Mapping[int, Any],
        high: Mapping[int, Any],
        versions: Mapping[int, int],
    ) -> TrialRow:
        (number, state, started, finished, plan, values, violations, reason, *rest) = row
        repeat_of, variant_of, pruned = rest
        measured = _decoded(values) or {}
        return TrialRow(
            number,
            state,
            started,
            finished,
            self._plan(plan, pruned),
            {name: measured[name] for name in self._names if name in measured},
            low.get(number, {}),
            high.get(number, {}),
            {text: v for text, v in (_decoded(violations) or {}).items() if v > 0} or None,
            reason_text(_decoded(reason)),
            repeat_of,
            variant_of,
            versions.get(number, 1),
        )

    def _plan(self, plan: Any, pruned: Any) -> str:
        if not isinstance(plan, str):  # a PostgreSQL driver decodes JSON itself
            return plan_text(plan, _decoded(pruned))
        return plan_text(json.loads(plan), _decoded(pruned))


def reason_text(reason: Mapping[str, Any] | None) -> str | None:
    """Returns why a trial ended without values, in one short line; None if there is no reason."""
    if not reason:
        return None
    first = (str(reason.get("text", "")).splitlines() or [""])[0]
    text = f"{reason.get('stage', '?')}: {first}"
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 3]}..."


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return None if value in ("{}", "null") else json.loads(value)
