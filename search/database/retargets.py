"""The table of retargeting: stored models measured on other runtimes, options and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.objectives.example_results import ExampleResults
from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading
from paretune.search.database.reader import example_results_of
from paretune.search.database.trials import example_rows
from paretune.search.study.retarget_records import RetargetedTrial


class Retargets(Tables):
    """The table of a study database."""

    def put(self, rows: Sequence[RetargetedTrial]) -> None:
        """Writes measurements; they replace those of the same setting and trial."""
        table = tables.retargets
        with exclusive_transaction(self.engine) as connection:
            for row in rows:
                is_row = (table.c.setting == row.setting) & (table.c.trial == row.trial)
                connection.execute(sa.delete(table).where(is_row))
                self._put_examples(connection, row)
                measured = {
                    part: {name: m.to_json() for name, m in measurements.items()}
                    for part, measurements in row.measured.items()
                }
                connection.execute(sa.insert(table).values({**vars(row), "measured": measured}))

    def by_trial(self, setting: str) -> dict[int, RetargetedTrial]:
        """Returns what is stored of this setting, by trial number."""
        rows = self._select(tables.retargets.c.setting == setting)
        results = self._examples(setting)
        return {row.trial: _with_examples(row, results.get(row.trial, {})) for row in rows}

    def artifacts(self, runtime: str) -> dict[int, Mapping[str, Any]]:
        """Returns artifacts that were built earlier for this runtime, by trial number."""
        rows = self._select(tables.retargets.c.runtime == runtime)
        return {row.trial: row.artifact for row in rows if row.artifact is not None}

    def _put_examples(self, connection: sa.Connection, row: RetargetedTrial) -> None:
        """Writes the results on each example, which replace the earlier ones."""
        table = tables.examples
        for part, measurements in row.measured.items():
            stored_part = _part(row.setting, part)
            is_old = (table.c.trial == row.trial) & (table.c.part == stored_part)
            connection.execute(sa.delete(table).where(is_old))
            new = example_rows(row.trial, stored_part, list(measurements.values()))
            if new:
                connection.execute(sa.insert(table), new)

    def _examples(self, setting: str) -> dict[int, dict[tuple[str, str], ExampleResults]]:
        """Returns trial -> (part, quantity) -> its results on each example."""
        table = tables.examples
        results: dict[int, dict[tuple[str, str], ExampleResults]] = {}
        parts = {_part(setting, part): part for part in ("validation", "test")}
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(table).where(table.c.part.in_(parts))).mappings()
            for row in rows:
                of_trial = results.setdefault(row["trial"], {})
                of_trial[parts[row["part"]], row["name"]] = example_results_of(dict(row))
        return results

    def _select(self, condition: Any) -> list[RetargetedTrial]:
        statement = sa.select(tables.retargets).where(condition).order_by(tables.retargets.c.trial)
        with reading(self.engine) as connection:
            rows = list(connection.execute(statement).mappings())
        return [RetargetedTrial(**{**row, "measured": _measured(row["measured"])}) for row in rows]


def _part(setting: str, part: str) -> str:
    """Returns the `part` of results on each example that were made in a setting."""
    return f"{part} in {setting}"


def _with_examples(
    row: RetargetedTrial, results: Mapping[tuple[str, str], ExampleResults]
) -> RetargetedTrial:
    measured = {
        part: {
            name: replace(m, per_example=results.get((part, name)))
            for name, m in measurements.items()
        }
        for part, measurements in row.measured.items()
    }
    return replace(row, measured=measured)


def _measured(parts: Mapping[str, Any]) -> dict[str, dict[str, Measurement]]:
    """Returns part -> quantity -> measurement, from its JSON."""
    return {
        part: {name: Measurement(**m) for name, m in measurements.items()}
        for part, measurements in parts.items()
    }
