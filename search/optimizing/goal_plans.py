"""First plans of a model: those whose options together should meet the goals on costs. Pure.

`init` has timed each option beside the baseline. The gains of several are multiplied, which is
right enough to begin with plans near the goal instead of near the baseline.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paretune.search.starting.facts import StartFacts, TriedOption
from paretune.search.starting.section_choice import without_gain
from paretune.search.study.quantity import Quantity
from paretune.search.study.spec import Constraint

MOST_PLANS = 3
"""Number of plans; the sampler begins after them."""

RESERVE = 0.9
"""A plan should reach this share of a bound, as products of gains are not exact."""

SECTIONS = ("architecture", "pruning", "quantization")

Options = tuple[TriedOption | None, ...]
"""An option of each section; None for the baseline's."""


def goal_plans(
    space: Mapping[str, Any], facts: StartFacts, goals: Sequence[Constraint]
) -> list[dict[str, Any]]:
    """Returns plans to try first, the mildest first: parameter name -> value.

    Args:
        space: The section `space` as plain data.
        facts: What was tried on the model.
        goals: The goals.
    """
    bounds = {cost: b for cost in ("latency", "size") if (b := _bound(cost, facts, goals)) < 1}
    if not bounds:
        return []
    tried = [
        [None, *(t for t in facts.options(section) if _is_offered(t, space))]
        for section in SECTIONS
    ]
    reaching = [options for options in itertools.product(*tried) if _reaches(options, bounds)]
    reaching.sort(key=_severity)
    mildest: dict[tuple[Any, ...], Options] = {}  # what changes -> the options that change least
    for options in reaching:
        mildest.setdefault(tuple(map(_way, options)), options)
    return [_plan(options, space) for options in list(mildest.values())[:MOST_PLANS]]


def _bound(cost: str, facts: StartFacts, goals: Sequence[Constraint]) -> float:
    """Returns the share of the baseline's cost that the goals allow; infinite without a goal."""
    base = {"latency": facts.latency, "size": float(facts.size)}[cost]
    shares = [
        goal.bound.resolve(base) / base
        for goal in goals
        if goal.upper and Quantity.of(goal.quantity).local == cost and base > 0
    ]
    return min(shares, default=math.inf)


def _is_offered(tried: TriedOption, space: Mapping[str, Any]) -> bool:
    """Returns whether the space has an option that was timed."""
    if not tried.timed or without_gain(tried):
        return False
    section = space.get(tried.section)
    if not isinstance(section, Mapping):
        return False
    if tried.section == "architecture":
        return tried.option in section
    return tried.option in section.get("choice", {})


def _reaches(options: Options, bounds: Mapping[str, float]) -> bool:
    return all(_share(cost, options) <= RESERVE * bound for cost, bound in bounds.items())


def _share(cost: str, options: Options) -> float:
    """Returns the share of the baseline's cost that should remain."""
    shares = [(o.time if cost == "latency" else o.size) for o in options if o is not None]
    return math.prod(shares)


def _way(option: TriedOption | None) -> tuple[str, ...] | None:
    """Returns what an option changes; a narrower network and a shallower one are two ways."""
    if option is None:
        return None
    return tuple(option.params) if option.section == "architecture" else ()


def _severity(options: Options) -> tuple[int, bool, float]:
    """Returns what sorts options by what they probably cost in accuracy.

    A smaller network that is trained from its first weights beats one of the same size that is
    pruned and trained for a moment.
    """
    changes = sum(option is not None for option in options)
    return changes, options[SECTIONS.index("pruning")] is not None, -_share("latency", options)


def _plan(options: Options, space: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a plan with these options, and nothing else that changes the network."""
    plan: dict[str, Any] = {}
    for section, option in zip(SECTIONS, options, strict=True):
        if section == "architecture":
            params = option.params if option else {}
            plan |= dict(_architecture(space.get(section), params))
        elif isinstance(space.get(section), Mapping):
            plan[section] = option.option if option else "none"
            if option is not None and "ratio" in option.params:
                plan[f"{section}.{option.option}.ratio"] = option.params["ratio"]
    return plan


def _architecture(section: Any, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields (parameter name, value) of an architecture: the baseline's where it does not differ.

    `init` writes the baseline's value as the last one: the largest number, or the heaviest option.
    """
    if not isinstance(section, Mapping):
        return
    [(family, domains)] = section.items()
    for name, domain in domains.items():
        if isinstance(domain, Mapping) and "choice" in domain:
            yield f"architecture.{family}.{name}", params.get(name, domain["choice"][-1])
