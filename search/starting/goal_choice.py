"""Chooses objectives, constraints and goals of a study file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import ScoreFact, StartFacts
from paretune.search.starting.section_choice import SectionChoice
from paretune.search.study.quantity import Quantity
from paretune.search.study.spec import Constraint

POINTS = 0.05
"""Loss of a fraction that a constraint allows, if no goal names the score."""

SHARE = 0.2
"""Relative loss of another score that it allows."""

LOOSER = 3
"""A constraint allows this many times the loss of the goal: the front also shows what lies next to
the goal."""

FAST = 0.05
"""Milliseconds below which calling the runtime takes most of the time of one input."""

QUICK_SECONDS = 1.0
"""Seconds of a timing, if a trial trains for seconds only."""

BATCH = 32
"""Inputs in a timed run of a network that is so fast."""


def objectives_choice(facts: StartFacts, objectives: dict[str, Any]) -> SectionChoice:
    """Returns the objectives with the baseline's figures beside them."""
    comments: dict[Path, str] = {(next(iter(objectives)),): _score_text(facts)}
    for name in objectives:
        if Quantity.of(name).local == "latency":
            one = "one input is so fast that calling the runtime would dominate"
            comments[name,] = one if facts.latency_batch > 1 else "median of one input, in ms"
    return SectionChoice(objectives, comments)


def latency_options(latency: float, fixed: bool, runtimes: Sequence[str], quick: bool) -> Any:
    """Returns how a study measures the latency.

    Args:
        latency: Milliseconds of one input.
        fixed: Whether a goal gives the latency in milliseconds, so that its batch stays 1.
        runtimes: Names of the runtimes.
        quick: Whether a trial trains for seconds only.
    """
    options: dict[str, Any] = {"minimize": "p50"}
    if latency < FAST and not fixed and "litert" not in runtimes:
        options["batch"] = BATCH
    if quick:
        options["seconds"] = QUICK_SECONDS
    return options if len(options) > 1 else "minimize"


def _score_text(facts: StartFacts) -> str:
    score = facts.score
    count = facts.sizes["validation"]
    if score.value is None:
        return f"on {count:,} validation examples; the baseline is trained first"
    return f"the baseline has {score.text} on {count:,} validation examples"


def goals_choice(facts: StartFacts, goals: Sequence[Constraint]) -> SectionChoice:
    """Returns the user's goals, or usual ones."""
    if goals:
        met = [goal.text for goal in goals if _met(facts, goal)]
        text = f"the baseline meets {' and '.join(met)} already" if met else ""
        return SectionChoice([goal.text for goal in goals], {(): text})
    latency = "latency" if "" in facts.runtimes else f"latency@{next(iter(facts.runtimes))}"
    texts = [_default_bound(facts.score, 0.01, 0.02), f"{latency} <= 0.5 x baseline"]
    return SectionChoice(texts, {(): "usual ones; change them to what you need"})


def _met(facts: StartFacts, goal: Constraint) -> bool:
    """Returns whether the baseline meets an absolute goal."""
    values = {
        "latency": facts.latency,
        "size": float(facts.size),
        facts.score.name: facts.score.value,
    }
    value = values.get(Quantity.of(goal.quantity).local)
    return not goal.bound.relative and value is not None and goal.violation(value, value) <= 0


def constraints_choice(facts: StartFacts, goals: Sequence[Constraint]) -> SectionChoice:
    """Returns a bound on the score, so that the front has no ruined networks."""
    goal = next((g for g in goals if Quantity.of(g.quantity).local == facts.score.name), None)
    text = _default_bound(facts.score, POINTS, SHARE) if goal is None else _looser(goal, facts)
    why = "keeps ruined networks off the front"
    if goal is not None:
        why = "wider than the goal; no trial beyond it enters the front"
    return SectionChoice([text], {(): why})


def _default_bound(score: ScoreFact, points: float, share: float) -> str:
    """Returns a bound relative to the baseline."""
    if score.better == "lower":
        return f"{score.name} <= {1 + share:g} x baseline"
    if score.unit == "fraction":
        return f"{score.name} >= baseline - {100 * points:g}%"
    return f"{score.name} >= {1 - share:g} x baseline"


def _looser(goal: Constraint, facts: StartFacts) -> str:
    """Returns a bound that allows `LOOSER` times the loss of a goal."""
    score, bound = facts.score, goal.bound
    sign = "<=" if goal.upper else ">="
    if bound.relative and score.unit == "fraction" and bound.factor == 1.0:
        loss = min(max(LOOSER * abs(bound.offset), 0.01), 0.99)  # 100 points are no bound
        return f"{goal.quantity} {sign} baseline {'+' if goal.upper else '-'} {100 * loss:g}%"
    if bound.relative and not bound.offset:
        factor = 1 + LOOSER * (bound.factor - 1)
        slack = factor if factor > 0 else bound.factor / 2
        if factor == 1.0:
            slack = 1 + SHARE / 2 if goal.upper else 1 - SHARE / 2
        return f"{goal.quantity} {sign} {slack:.3g} x baseline"
    if not bound.relative and score.unit == "fraction":
        value = bound.offset + (POINTS if goal.upper else -POINTS)
        return f"{goal.quantity} {sign} {min(max(value, 0.0), 1.0):.3g}"
    return goal.text
