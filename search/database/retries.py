"""Trials that failed, and are tried again under their numbers."""

from __future__ import annotations

import time

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Row, Tables, exclusive_transaction

OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")
"""Types of errors after which a trial is infeasible, although other programs may be the cause."""

_T = tables.trials.c


class Retries(Tables):
    """Opens failed trials again.

    The number stays, so the trial counts once, and its repeats and format variants stay valid.
    """

    def failed(self) -> dict[int, float]:
        """Returns number -> time of the end, of the failed trials and of their repeats.

        A trial is left out if a later one had the same plan and ended with a result.
        """
        columns = (_T.number, _T.state, _T.reason, _T.repeat_of, _T.finished, _T.plan_key)
        statement = sa.select(*columns).where(_T.number > 0).order_by(_T.number)
        with self.engine.connect() as connection:
            rows = connection.execute(statement).mappings().all()
        first = [row for row in rows if row["repeat_of"] is None]
        solved = {r["plan_key"] for r in first if r["finished"] and not can_retry(r)}
        chosen = {r["number"] for r in first if can_retry(r) and r["plan_key"] not in solved}
        return {r["number"]: r["finished"] for r in rows if {r["number"], r["repeat_of"]} & chosen}

    def reopen(self, number: int, finished: float, worker: str) -> Row | None:
        """Makes a failed trial a running one.

        Its reason stays until the trial ends again. Steps that its trainer reported stay as well,
        so that the trainer may continue there.

        Args:
            number: Trial number.
            finished: When it ended, from `failed`.
            worker: Id of the worker that runs it.

        Returns:
            Its row; None if it repeats another trial, or another worker has opened it.
        """
        is_trial = sa.and_(_T.number == number, _T.finished == finished, _T.repeat_of.is_(None))
        running = {
            "state": "running",
            "worker": worker,
            "started": time.time(),
            "finished": None,
            "values": None,
            "violations": None,
            "seconds": None,
            "cached": None,
        }
        with exclusive_transaction(self.engine) as connection:
            changed = connection.execute(sa.update(tables.trials).where(is_trial).values(running))
            if changed.rowcount != 1:
                return None
            for table in tables.metadata.sorted_tables:
                if "part" in table.c and "trial" in table.c:  # its measurements
                    connection.execute(sa.delete(table).where(table.c.trial == number))
            statement = sa.select(tables.trials).where(_T.number == number)
            return connection.execute(statement).mappings().one()

    def copy_to_repeats(self, number: int) -> None:
        """Gives a trial's new result to the trials that repeat its plan."""
        names = ("state", "values", "violations", "reason", "finished")
        with exclusive_transaction(self.engine) as connection:
            result = sa.select(*(_T[name] for name in names)).where(_T.number == number)
            values = dict(connection.execute(result).mappings().one())
            connection.execute(
                sa.update(tables.trials).where(_T.repeat_of == number).values(values)
            )


def can_retry(row: Row) -> bool:
    """Returns whether a trial may end better the next time: it failed, or lacked memory."""
    if row["state"] == "failed":
        return True
    return row["state"] == "infeasible" and (row["reason"] or {}).get("type") in OUT_OF_MEMORY


def attempt_of(row: Row) -> int:
    """Returns which attempt a running trial is: 1, or more if it failed before."""
    reason = row["reason"] or {}
    failed = reason.get("traceback") or reason.get("type") in OUT_OF_MEMORY
    return int(reason.get("attempts", 1)) + 1 if failed else 1
