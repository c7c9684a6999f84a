"""Claims of trial numbers: several workers propose at once, each for a number of its own.

Two workers with the same history propose the same for one number, so the slower one would propose
in vain. A claim ends when its trial begins, when its worker gives it back or leaves, and for the
others when its worker is dead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction
from paretune.search.database.trial_statements import COUNT_SEARCH


@dataclass(frozen=True)
class Claim:
    """A trial number that no other worker uses.

    Attributes:
        number: The number; None if the search has its trials, claimed ones included.
        ahead: Number of lower numbers whose trials other workers propose now.
        others: The workers that propose now, dead ones included.
    """

    number: int | None
    ahead: int = 0
    others: frozenset[str] = frozenset()


class Claims(Tables):
    """The table of claims."""

    def claim(
        self,
        worker: str,
        absent: Collection[int] = (),
        dead: Collection[str] = (),
        most: int | None = None,
    ) -> Claim:
        """Claims the lowest number that has no trial and no claim; replaces the worker's own claim.

        Args:
            worker: Id of the worker.
            absent: Numbers that had no trial when the worker looked, though a higher one had.
            dead: Workers whose claims do not count.
            most: Number of trials that the search may have; None for no limit.

        Returns:
            The claim. If it has no number, nothing was written.
        """
        with exclusive_transaction(self.engine) as connection:
            state = connection.execute(_STATE).all()
            last = state[0].last or 0
            rows = [row for row in state if row.worker not in (None, worker)]
            open_rows = [row for row in rows if row.number > last or row.number in absent]
            others = frozenset(row.worker for row in open_rows)
            taken = {row.number for row in open_rows if row.worker not in dead}
            free = (number for number in sorted(absent) if number not in taken)
            number = next(free, None)
            if number is None:
                number = last + 1
                while number in taken:
                    number += 1
            if most is not None and max(number, last) >= most:
                begun = connection.execute(COUNT_SEARCH).scalar_one()
                if begun + len(taken) >= most:
                    return Claim(None, len(taken), others)
            own = {"worker": worker, "number": number}
            if not connection.execute(_UPDATE, {**own, "of": worker}).rowcount:
                connection.execute(_INSERT, own)
        ahead = sum(other < number for other in taken)
        return Claim(number, ahead, others)

    def give_back(self, worker: str) -> None:
        """Ends the claim of a worker that begins no trial."""
        self._write(sa.delete(tables.claims).where(tables.claims.c.worker == worker))


_LAST = sa.select(sa.func.max(tables.trials.c.number).label("last")).subquery("trials")
_STATE = sa.select(_LAST, tables.claims.c.worker, tables.claims.c.number).select_from(
    _LAST.outerjoin(tables.claims, sa.true())
)
"""The last number and a row for each claim; one with nulls if there is none."""

_UPDATE = (
    sa.update(tables.claims)
    .where(tables.claims.c.worker == sa.bindparam("of"))
    .values(number=sa.bindparam("number"))
)
_INSERT = sa.insert(tables.claims)
