"""Conditions that a user types on the command line, such as "latency <= 0.5 x baseline"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretune.search.errors import UserError
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Constraint
from paretune.search.study.units import format_value


@dataclass(frozen=True)
class Conditions:
    """Conditions on the measurements of a study's trials.

    Attributes:
        constraints: Each of them.
        units: Quantity -> unit.
        record: The study.
    """

    constraints: tuple[Constraint, ...]
    units: dict[str, str]
    record: StudyRecord

    def hold(self, trial: TrialRecord) -> bool:
        """Returns whether a trial meets all of them; one that lacks a measurement does not."""
        return all(
            c.quantity in trial.measurements and self._violation(c, trial) <= 0
            for c in self.constraints
        )

    def nearest(self, trials: Sequence[TrialRecord]) -> TrialRecord | None:
        """Returns the trial that misses them by least, as shares of their bounds."""
        measured = [
            t for t in trials if all(c.quantity in t.measurements for c in self.constraints)
        ]
        return min(
            measured,
            key=lambda t: sum(max(0.0, self._violation(c, t)) for c in self.constraints),
            default=None,
        )

    def missed(self, trial: TrialRecord) -> str:
        """Returns what a trial has where it misses a bound: `size 6.8 KB, not <= 1.0 KB`."""
        parts = []
        for c in self.constraints:
            if self._violation(c, trial) > 0:
                unit = self.units[c.quantity]
                value = format_value(trial.measurements[c.quantity].value, unit, c.quantity)
                bound = format_value(c.bound.resolve(self._base(c)), unit, c.quantity)
                parts.append(f"{c.quantity} {value}, not {'<=' if c.upper else '>='} {bound}")
        return "; ".join(parts)

    def _violation(self, constraint: Constraint, trial: TrialRecord) -> float:
        value = trial.measurements[constraint.quantity].value
        return constraint.violation(value, self._base(constraint))

    def _base(self, constraint: Constraint) -> float:
        baseline = self.record.baseline
        if not constraint.bound.relative or baseline is None:
            return 0.0
        return baseline.measurements[constraint.quantity].value


def read_conditions(
    record: StudyRecord, texts: Sequence[str], option: str, or_give: str = ""
) -> Conditions:
    """Reads conditions.

    Args:
        record: The study; its units and targets decide what the texts mean.
        texts: The conditions.
        option: The option that they were typed for, for error texts.
        or_give: What else the option takes, for error texts.

    Raises:
        UserError: A text is no condition, or names something that is not measured.
    """
    units = {m.name: m.unit for trial in record.trials for m in trial.measurements.values()}
    try:
        constraints = tuple(read_constraint(text, units, record.targets) for text in texts)
    except KeyError as error:
        raise UserError(
            f"{option}: {error} is not measured; there is {', '.join(units) or 'nothing yet'}"
        ) from error
    except ValueError as error:
        raise UserError(f"{option}: {error}{or_give}") from error
    base = record.baseline.measurements if record.baseline else {}
    for c in constraints:
        if c.bound.relative and c.quantity not in base:
            what = "has no baseline" if record.baseline is None else f"did not measure {c.quantity}"
            raise UserError(
                f'{option}: "{c.text}" refers to the baseline, and the study {what}; give a number'
            )
    return Conditions(constraints, units, record)
