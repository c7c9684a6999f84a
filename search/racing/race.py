"""The race of a study: who may go on at a rung, who waits, who is called up again.

The rungs lie in the study database, so that workers share them and a killed run loses none. A
trial that reaches a rung among its best goes on at once; another waits ("paused") until it is among
them, when more have come. Calling up a waiting trial goes before a new proposal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from paretune.search.database.rungs import Rungs, RungValues
from paretune.search.database.store import Row
from paretune.search.racing.ladder import RungEntry, best_trials, promotions
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis, Result

PauseCheck = Callable[[int, Mapping[str, float | None]], str | None]
"""(step, values) -> why the trial is to wait here, or None when it goes on."""


class MissingObjective(Exception):
    """A trial that races told of no objective; the text says what to do."""


class Race:
    """Compares the trials of one study.

    Args:
        params: How.
        axes: The objectives.
        rungs: Of the study database.
    """

    def __init__(self, params: RacingParams, axes: Sequence[Axis], rungs: Rungs) -> None:
        self._params = params
        self._signs = {axis.name: -1.0 if axis.better == "higher" else 1.0 for axis in axes}
        self._rungs = rungs
        self._chosen: dict[int, tuple[int, list[int]]] = {}

    def remaining_rungs(self, trial: int, whole: int) -> list[int]:
        """The rungs that a trial has not gone on from, of a training of so many epochs."""
        gone = self._rungs.promoted_rungs(trial)
        return [rung for rung in self._params.rungs(whole) if rung not in gone]

    def pause_check(
        self, trial: int, exact: Mapping[str, float], whole: int | None = None
    ) -> PauseCheck:
        """Who decides after each step of a trial.

        Args:
            trial: Its number.
            exact: Objectives that are known exactly, which training does not change.
            whole: Epochs of its training, where the study does not say how many steps there are.
        """
        gone = self._rungs.promoted_rungs(trial)
        unit = "step" if whole is None else "epoch"
        steps = whole or self._params.steps or 0

        def pause_check(step: int, values: Mapping[str, float | None]) -> str | None:
            rung = self._params.rung(step, steps)
            if rung is None or rung in gone:
                return None
            self._rungs.enter(trial, rung, self._merged(step, values, exact))
            entries = self._entries(self._rungs.at(rung))
            best = self._best(rung, entries)
            if trial not in best:
                return (
                    f"after {unit} {step} of {steps} not among the best "
                    f"{len(entries) // self._params.eta} of {len(entries)}"
                )
            self._rungs.promote(trial, rung)
            gone.add(rung)
            return None

        return pause_check

    def paused_trials(self) -> list[Row]:
        """Rows of the trials that wait."""
        return self._rungs.paused_trials()

    def resume_next(self, waiting: Sequence[Row], worker: str) -> Row | None:
        """One of the waiting trials that may go on now, this worker's from now on; or None."""
        if not waiting:
            return None
        rows = {row["number"]: row for row in waiting}
        rungs = {step: self._entries(found) for step, found in self._rungs.all().items()}
        for trial, step in promotions(rungs, self._best, rows):
            if self._rungs.resume(trial, step, worker):
                return rows[trial]
        return None

    def resume(self, row: Row, worker: str) -> bool:
        """Takes up a waiting trial that needs no more training; False when it waits no more."""
        return self._rungs.resume(row["number"], None, worker)

    def pause(self, trial: int, result: Result) -> None:
        """A trial waits from now on."""
        self._rungs.pause(trial, result)

    def stop(self, row: Row) -> tuple[Result, float] | None:
        """Ends a waiting trial with its last values; None when it waits no more."""
        finished = self._rungs.stop(row["number"])
        if finished is None:
            return None
        kept = (row["values"] or {}, row["violations"] or {})
        return Result("stopped", *kept, reason=row["reason"], seconds=row["seconds"]), finished

    # -- comparing -------------------------------------------------------------------------------

    def _merged(
        self, step: int, values: Mapping[str, float | None], exact: Mapping[str, float]
    ) -> dict[str, float] | None:
        """The objectives at a step; None where one is no number."""
        told = {name: value for name, value in values.items() if name in self._signs}
        if not told.keys() - exact.keys():
            raise MissingObjective(
                f"racing compares trials by {', '.join(self._signs)}, and report({step}, ...) "
                f"named none that training changes: report({step}, {next(iter(self._signs))}=...)"
            )
        known = {name: value for name, value in told.items() if value is not None}
        if len(known) < len(told):
            return None
        return {**known, **{n: v for n, v in exact.items() if n in self._signs}}

    def _entries(self, reached: Sequence[RungValues]) -> list[RungEntry]:
        return [RungEntry(r.trial, self._losses(r.values), r.promoted) for r in reached]

    def _losses(self, values: Mapping[str, float] | None) -> dict[str, float] | None:
        if values is None:
            return None
        return {n: sign * values[n] for n, sign in self._signs.items() if n in values}

    def _best(self, rung: int, entries: Sequence[RungEntry]) -> list[int]:
        """Who is among the best of a rung; found anew when somebody has come."""
        count, best = self._chosen.get(rung, (0, []))
        if count != len(entries):
            best = best_trials(entries, self._params.eta)
            self._chosen[rung] = (len(entries), best)
        return best
