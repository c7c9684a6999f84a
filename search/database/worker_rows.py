"""Reads what workers do, and what the user asks of them; an older database has no such tables."""

from __future__ import annotations

from typing import Any

from paretune.search.database.rows import Rows

RUN, PAUSE, STOP = "run", "pause", "stop"
"""What the user may ask of the workers."""

WANTED, OPTIONS = "wanted", "options"
"""Names of the rows that hold it, and the options of the last run."""


def wanted(rows: Rows) -> str:
    """Returns `run`, `pause` or `stop`."""
    return str(_value(rows, WANTED).get("wanted", RUN))


def run_options(rows: Rows) -> list[str]:
    """Returns the options of the last `paretune run`, such as `--set`."""
    return [str(word) for word in _value(rows, OPTIONS).get("options", ())]


def _value(rows: Rows, name: str) -> dict[str, Any]:
    if not has_table(rows, "paretune_requests"):
        return {}
    requests = rows(f"SELECT value FROM paretune_requests WHERE name = '{name}'")
    return dict(requests[0]["value"]) if requests else {}


def worker_rows(rows: Rows) -> list[dict[str, Any]]:
    """Returns the rows of the workers that have not ended properly, alive or dead.

    Each has the `now` of the clock that wrote its heartbeat, and its `machine`, `gpu` and `started`
    if an older Paretune has not left them out.
    """
    now = f"{rows.now} AS now" if rows.now else "NULL AS now"
    places = has_table(rows, "paretune_machines")
    more = ", m.machine, m.gpu, m.started" if places else ""
    join = " LEFT JOIN paretune_machines AS m ON m.worker = w.id" if places else ""
    return rows(f"SELECT w.*, {now}{more} FROM paretune_workers AS w{join} ORDER BY w.id")


def activity_rows(rows: Rows) -> dict[str, dict[str, Any]]:
    """Returns worker -> what it does."""
    if not has_table(rows, "paretune_activity"):
        return {}
    return {row["worker"]: row for row in rows("SELECT * FROM paretune_activity")}


def has_table(rows: Rows, name: str) -> bool:
    """Returns whether the database has a table; one of an older Paretune lacks the newest."""
    try:
        rows.plain(f"SELECT 1 FROM {name} LIMIT 1")
    except Exception as error:  # each driver has its own error for a missing table
        if name not in str(error):
            raise
        return False
    return True
