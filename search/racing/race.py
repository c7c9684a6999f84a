"""The race of a study: pauses trials at a rung, and lets paused trials go on.

The rungs are stored in the study database, so that workers share them and a killed run loses none.
A trial that is among the best at a rung goes on at once. Any other trial pauses until it is among
the best, when more trials have come. A worker resumes a paused trial before it begins a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from paretune.search.database.base import Row
from paretune.search.database.rungs import Rungs, RungValues
from paretune.search.racing.promotion import RungEntry, best_trials, promotions
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis, Result

PauseCheck = Callable[[int, Mapping[str, float | None]], str | None]
"""(step, values) -> why the trial is paused here; None if it goes on."""


class MissingObjective(Exception):
    """A trial that races reported no objective; the text says what to do."""


class Race:
    """Compares the trials of one study.

    Args:
        params: Options of racing.
        axes: The objectives.
        rungs: The rungs in the study database.
    """

    def __init__(self, params: RacingParams, axes: Sequence[Axis], rungs: Rungs) -> None:
        self._params = params
        self._signs = {axis.name: -1.0 if axis.better == "higher" else 1.0 for axis in axes}
        self._rungs = rungs
        self._cached: dict[int, tuple[int, list[int]]] = {}

    def remaining_rungs(self, trial: int, epochs: int) -> list[int]:
        """Returns the rungs of a whole training from which a trial was not promoted yet.

        Args:
            trial: Trial number.
            epochs: Epochs of the whole training.
        """
        promoted = self._rungs.promoted_rungs(trial)
        return [rung for rung in self._params.rungs(epochs) if rung not in promoted]

    def pause_check(
        self, trial: int, exact: Mapping[str, float], epochs: int | None = None
    ) -> PauseCheck:
        """Returns the function that decides after each step of a trial whether it is paused.

        Args:
            trial: Trial number.
            exact: Objective name -> exact value, of those that training does not change.
            epochs: Epochs of the whole training; None if the study says how many steps there are.
        """
        promoted = self._rungs.promoted_rungs(trial)
        unit = "step" if epochs is None else "epoch"
        steps = epochs or self._params.steps or 0

        def check(step: int, values: Mapping[str, float | None]) -> str | None:
            rung = self._params.rung(step, steps)
            if rung is None or rung in promoted:
                return None
            self._rungs.enter(trial, rung, self._rung_values(step, values, exact))
            entries = self._entries(self._rungs.at(rung))
            if trial not in self._best(rung, entries):
                return (
                    f"after {unit} {step} of {steps} not among the best "
                    f"{len(entries) // self._params.eta} of {len(entries)}"
                )
            self._rungs.promote(trial, rung)
            promoted.add(rung)
            return None

        return check

    def paused_trials(self) -> list[Row]:
        """Returns the rows of the paused trials."""
        return self._rungs.paused_trials()

    def resume_next(self, paused: Sequence[Row], worker: str) -> Row | None:
        """Gives a worker a paused trial that may go on now.

        Args:
            paused: From `paused_trials`.
            worker: Id of the worker.

        Returns:
            Its row; None if there is no such trial.
        """
        if not paused:
            return None
        rows = {row["number"]: row for row in paused}
        rungs = {step: self._entries(values) for step, values in self._rungs.all().items()}
        for trial, step in promotions(rungs, self._best, rows):
            if self._rungs.resume(trial, step, worker):
                return rows[trial]
        return None

    def resume(self, row: Row, worker: str) -> bool:
        """Gives a worker a paused trial that needs no more training.

        Returns:
            False if the trial is no longer paused.
        """
        return self._rungs.resume(row["number"], None, worker)

    def pause(self, trial: int, result: Result) -> None:
        """Pauses a trial."""
        self._rungs.pause(trial, result)

    def stop(self, row: Row) -> tuple[Result, float] | None:
        """Ends a paused trial with its last values.

        Returns:
            Its result and the time; None if the trial is no longer paused.
        """
        finished = self._rungs.stop(row["number"])
        if finished is None:
            return None
        last = (row["values"] or {}, row["violations"] or {})
        return Result("stopped", *last, reason=row["reason"], seconds=row["seconds"]), finished

    # -- comparing -------------------------------------------------------------------------------

    def _rung_values(
        self, step: int, values: Mapping[str, float | None], exact: Mapping[str, float]
    ) -> dict[str, float] | None:
        """Returns the objectives at a step; None if one of them is not a number."""
        reported = {name: value for name, value in values.items() if name in self._signs}
        if not reported.keys() - exact.keys():
            raise MissingObjective(
                f"racing compares trials by {', '.join(self._signs)}, and report({step}, ...) "
                f"named none that training changes: report({step}, {next(iter(self._signs))}=...)"
            )
        numbers = {name: value for name, value in reported.items() if value is not None}
        if len(numbers) < len(reported):
            return None
        return {**numbers, **{n: v for n, v in exact.items() if n in self._signs}}

    def _entries(self, rung: Sequence[RungValues]) -> list[RungEntry]:
        return [RungEntry(r.trial, self._losses(r.values), r.promoted) for r in rung]

    def _losses(self, values: Mapping[str, float] | None) -> dict[str, float] | None:
        if values is None:
            return None
        return {n: sign * values[n] for n, sign in self._signs.items() if n in values}

    def _best(self, rung: int, entries: Sequence[RungEntry]) -> list[int]:
        """Returns the best trials of a rung; computes them again if a trial has come."""
        count, best = self._cached.get(rung, (0, []))
        if count != len(entries):
            best = best_trials(entries, self._params.eta)
            self._cached[rung] = (len(entries), best)
        return best
