"""Learns from ended trials, also from those of other workers and of earlier runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.running.recovery import mirrored_row, result_of
from paretune.search.sampling.proposer import Outcome

if TYPE_CHECKING:
    from paretune.search.changing.measuring_again import MeasuringAgain
    from paretune.search.running.search_state import SearchState
    from paretune.search.study.records import Result


class Learning:
    """What one worker has learned from trials.

    Attributes:
        running: The running trials at the last check.
        absent: Numbers that have no trial, though a higher one has.

    Args:
        state: The search of this worker.
        again: Completes trials that a worker of an earlier version ended.
    """

    def __init__(self, state: SearchState, again: MeasuringAgain) -> None:
        self._state = state
        self._again = again
        self._highest = 0  # highest finished trial that the proposer has learned from
        self._missing: set[int] = set()  # lower trials that have not ended, or never began
        self._begun = 0  # highest trial that any worker has begun
        self.running: list[Row] = []
        self.absent: set[int] = set()

    @property
    def seen(self) -> tuple[int, Collection[int]]:
        """The arguments of `Trials.new_trials`: which trials this worker has learned from."""
        return self._highest, self._missing

    def begun(self, number: int) -> None:
        """Notes that a trial has begun, here or elsewhere."""
        self.absent.update(range(self._begun + 1, number))
        self.absent.discard(number)
        self._begun = max(self._begun, number)

    @property
    def lowest_free(self) -> int:
        """The lowest number that has no trial, as far as this worker has learned."""
        return min(self.absent, default=self._begun + 1)

    def is_free(self, number: int) -> bool:
        """Returns whether no trial that this worker has learned of has a number."""
        return number > self._begun or number in self.absent

    def only_reads(self, rows: Iterable[Row]) -> bool:
        """Returns whether `learn` measures and writes nothing for these rows."""
        answers = self._state.earlier.answers
        return all(row["state"] != "complete" or answers(row) for row in rows)

    def learn(self, rows: Iterable[Row] | None = None) -> tuple[int, Mapping[str, Any]] | None:
        """Learns from trials that an earlier run or another worker finished.

        Args:
            rows: What `Trials.new_trials` returns now; None to ask the database.

        Returns:
            Number and parameters of the last one that is not a format variant; None if there is
            none, or it lies outside the space.
        """
        state = self._state
        last, self.running = None, []
        for row in state.store.new_trials(*self.seen) if rows is None else rows:
            if row["number"] <= self._highest and row["number"] not in self._missing:
                continue  # learned already, before the connection broke
            self.begun(row["number"])
            if row["state"] == "running":
                self.running.append(row)
            state.hints.begun(row["proposal"])
            if row["number"] and row["repeat_of"] is None and state.earlier.answers(row):
                state.plans.add(row["plan_key"], row["state"])
            if row["state"] in OPEN_STATES or state.failed.is_waiting(row):
                continue
            row, grows = self._completed(row)
            result = result_of(row)
            if state.earlier.answers(row):
                self.replay(row, Outcome.of(result))
            grew = self.take_in(row["number"], result, row["variant_of"])
            if grows and grew:
                state.store.add_front(state.growth.point(row["number"]))
            self._count_repeats(row)
            if row["variant_of"] is None and row["repeat_of"] is None:
                params = state.earlier.params(row)
                last = None if params is None else (row["number"], params)
        return last

    def take_in(self, number: int, result: Result, variant_of: int | None) -> bool:
        """Counts a finished trial and adds it to the front; returns whether the front changed.

        Args:
            number: Trial number.
            result: Its result.
            variant_of: The trial that trained its network, if it is a format variant; else None.
        """
        self.begun(number)
        self._missing.update(range(self._highest + 1, number))
        self._missing.discard(number)
        self._highest = max(self._highest, number)
        if result.repeat_of is not None:
            return False
        self._state.progress.done += variant_of is None
        return result.feasible and self._state.growth.add(number, result.values)

    def replay(self, row: Mapping[str, Any] | Row, outcome: Outcome) -> None:
        """Lets the sampler learn from a trial that was not proposed here, if its space has it.

        Args:
            row: The trial's row.
            outcome: Its outcome.
        """
        proposal = self._state.earlier.proposal(row)
        if proposal is not None:
            self._state.proposer.replay(proposal, outcome)

    def _completed(self, row: Row) -> tuple[Row, bool]:
        """Returns the row of an ended trial, and whether it was completed for this version now.

        A worker of an earlier version may have ended it, without what this version measures.
        """
        state = self._state
        if state.earlier.answers(row) or row["state"] != "complete":
            return row, False
        if not self._again.complete(row["number"]):
            return row, False
        [completed] = state.store.rows([row["number"]])
        state.study.mirror.put(mirrored_row(completed, state.earlier))
        return completed, True

    def _count_repeats(self, row: Row) -> None:
        """Counts the proposals in a row that repeated a plan, as before the run was interrupted."""
        if row["variant_of"] is None:
            progress = self._state.progress
            progress.repeats = 0 if row["repeat_of"] is None else progress.repeats + 1
