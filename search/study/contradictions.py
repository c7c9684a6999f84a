"""Goals that cannot hold, alone or together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from paretune.search.errors import UserError
from paretune.search.study.spec import Constraint


def refuse_contradictions(goals: Sequence[Constraint]) -> None:
    """Refuses goals that cannot hold, whatever the baseline is.

    Raises:
        UserError: One cannot hold alone, or two cannot hold together.
    """
    if problems := contradictions(goals):
        raise UserError("\n".join(f"--goal {problem}" for problem in problems))


def contradictions(
    goals: Sequence[Constraint], baseline: Mapping[str, float] | None = None
) -> list[str]:
    """Returns why goals cannot hold together, or one alone; empty if nothing speaks against them.

    Args:
        goals: The goals.
        baseline: Quantity -> value of the baseline. Without it, only what holds for every baseline
            counts.
    """
    problems = [_alone(goal, baseline) for goal in goals]
    problems += [_together(a, b, baseline) for a, b in combinations(goals, 2)]
    return [problem for problem in problems if problem is not None]


def _alone(goal: Constraint, baseline: Mapping[str, float] | None) -> str | None:
    """Returns why no value can meet a goal."""
    bases = _bases(goal, baseline)
    bounds = [goal.bound.resolve(base) for base in bases]
    if goal.upper and all(bound < 0 for bound in bounds):
        return f'"{goal.text}": no {goal.quantity} is below 0'
    if not goal.upper and goal.quantity.startswith("accuracy") and all(b > 1 for b in bounds):
        shown = f" (it asks for {100 * bounds[0]:.1f} %)" if len(set(bounds)) == 1 else ""
        return f'"{goal.text}": no {goal.quantity} is above 100 %{shown}'
    return None


def _together(a: Constraint, b: Constraint, baseline: Mapping[str, float] | None) -> str | None:
    """Returns why two goals cannot hold together."""
    if a.quantity != b.quantity or a.upper == b.upper:
        return None
    upper, lower = (a, b) if a.upper else (b, a)
    bases = _bases(a, baseline)
    if all(lower.bound.resolve(base) > upper.bound.resolve(base) for base in bases):
        return f'"{lower.text}" and "{upper.text}" contradict each other; leave one of them out'
    return None


def _bases(goal: Constraint, baseline: Mapping[str, float] | None) -> list[float]:
    """Returns values of the baseline for which a claim must hold: the real one, or the extremes.

    Bounds are linear in the baseline, so what holds at both ends holds between them.
    """
    if baseline is not None and goal.quantity in baseline:
        return [baseline[goal.quantity]]
    return [1e-9, 1.0] if goal.quantity.startswith("accuracy") else [1e-9, 1e12]
