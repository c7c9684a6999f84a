"""The plans that a round tries first: promising networks again, with more epochs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.narrowing import SMALL_CHANCE
from paretune.search.optimizing.space_edits import SetEpochs
from paretune.spaces.domains import Choice, Node, parameters

MOST_FIRST = 4
"""Most plans that a round tries first."""


def first_plans(
    tree: Node, trials: Sequence[Evidence], epochs: Sequence[SetEpochs]
) -> list[dict[str, Any]]:
    """Returns the best trials with the largest number of epochs, as plans to try first.

    Args:
        tree: The space of the next round.
        trials: All finished trials.
        epochs: The epochs of the next round; without a longer training nothing is tried again.
    """
    longest = {edit.name: max(edit.values) for edit in epochs if len(edit.values) > 1}
    if not longest:
        return []
    promising = [trial for trial in trials if trial.best or trial.chance >= 2 * SMALL_CHANCE]
    promising.sort(key=lambda trial: (not trial.best, -trial.chance, trial.number))
    plans: list[dict[str, Any]] = []
    for trial in promising:
        plan = _plan_in(tree, {**trial.params, **_labels(tree, longest)})
        if plan is not None and plan not in plans:
            plans.append(plan)
    return plans[:MOST_FIRST]


def _labels(tree: Node, epochs: Mapping[str, int]) -> dict[str, Any]:
    """Returns the epochs as a trial has them: a label, where they are a choice."""
    domains = {p.name: p.domain for p in parameters(tree)}
    return {
        name: str(value) if isinstance(domains.get(name), Choice) else value
        for name, value in epochs.items()
    }


def _plan_in(tree: Node, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns the parameters of a plan that the space has; None if it lies outside."""
    plan: dict[str, Any] = {}
    for parameter in parameters(tree):
        if any(params.get(name) != label for name, label in parameter.condition):
            continue
        value = params.get(parameter.name)
        domain = parameter.domain
        if isinstance(domain, Choice):
            if value not in domain.labels:
                return None
            plan[parameter.name] = value
        elif isinstance(value, int | float) and domain.low <= value <= domain.high:
            plan[parameter.name] = value
        else:
            return None
    return plan
