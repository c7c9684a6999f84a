"""The trials of all versions, as a run of the present version sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from paretune.search.changing.belonging import Belonging
from paretune.search.database.base import Row as StoredRow
from paretune.search.database.trials import answers
from paretune.search.database.versions import FIRST, Versions
from paretune.search.sampling.samplers import SAMPLERS
from paretune.search.study.version import VersionChanges

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

Row: TypeAlias = Mapping[str, Any] | StoredRow
"""A trial as mapping of columns: a database row, or what a worker holds of it."""

BLOCK = 500
"""Plans that are read at once."""


class EarlierTrials:
    """Translates trials of earlier versions into the present space.

    In a study that never changed, every trial stays as it is.

    Args:
        study: The open study.
    """

    def __init__(self, study: OpenStudy) -> None:
        self._present = study.store.version
        self._store = study.store
        self._versions = Versions(study.engine)
        self._known: dict[int, int] = {}
        self._plans: dict[int, list[dict[str, Any]]] = {}
        self._belonging: Belonging | None = None
        self.changes = VersionChanges()
        if self._present > FIRST:
            versions = self._versions.all()
            self.changes = versions[-1].changes
            self._known = self._versions.of_trials()
            flat = SAMPLERS[study.spec.sampler.name].flat
            self._belonging = Belonging(study.spec, versions, study.plan, flat)

    @property
    def grid_start(self) -> int:
        """The highest trial number before this version, where a grid begins again; else 0."""
        return max(0, self.changes.after)

    def answers(self, row: Row) -> bool:
        """Returns whether a trial says how its plan does, so that no other trial need."""
        return self._belonging is None or answers(row, self._store.retried)

    def params(self, row: Row) -> Mapping[str, Any] | None:
        """Returns the parameters of a trial in the present space; None if it lies outside."""
        version = self._version(row["number"])
        if self._belonging is None or version == self._present:
            return row["params"]  # type: ignore[no-any-return]
        plan = row["plan"] if "plan" in row else self._plan(row["number"])
        return self._belonging.params(version, row["params"], plan)

    def proposal(self, row: Row) -> Mapping[str, Any] | None:
        """Returns the proposal of a trial in the present space; None if it lies outside."""
        version = self._version(row["number"])
        if self._belonging is None or version == self._present:
            return row["proposal"]  # type: ignore[no-any-return]
        params = self.params(row)
        return None if params is None else self._belonging.proposal(version, row, params)

    def _version(self, number: int) -> int:
        if self._belonging is None:
            return FIRST
        if number not in self._known:
            self._known[number] = self._versions.of_trial(number)
        return self._known[number]

    def _plan(self, number: int) -> list[dict[str, Any]]:
        if number not in self._plans:
            rows = self._store.rows(range(number, number + BLOCK))
            self._plans = {row["number"]: row["plan"] for row in rows}
        return self._plans[number]
