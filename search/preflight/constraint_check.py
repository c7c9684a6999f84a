"""Checks constraints and goals that follow from the structure: can any network hold them?

The smallest network of the space is pruned as far as the space allows, and deployed in each number
format. Neither weights nor training change its size and speed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.measuring.quick import quick_options
from paretune.search.measuring.structural_constraints import structural, timed
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.variants import variants
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import Quantity
from paretune.search.study.spec import Constraint
from paretune.search.study.units import format_quantity
from paretune.search.views.plan_text import plan_text

SMALLEST = 2
"""Architectures that are tried: those with the fewest parameters."""

CLEAR = 0.25
"""A constraint is refused if the best network breaks it by more than this share of the bound."""


@dataclass(frozen=True)
class Measured:
    """The quantities of one network.

    Attributes:
        plan: Its plan.
        values: Quantity -> measurement.
    """

    plan: Plan
    values: dict[str, Measurement]


def check_constraints(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields the constraints and goals that no network of the space can hold."""
    spec = rehearsal.spec
    bounds = {
        "constraints": [c for c in spec.constraints if _decidable(rehearsal, c)],
        "goals": [c for c in spec.goals if _decidable(rehearsal, c)],
    }
    wanted = {c.quantity for section in bounds.values() for c in section}
    if not wanted or not rehearsal.values:
        return
    networks = list(_networks(rehearsal, wanted))
    for section, constraints in bounds.items():
        for constraint in constraints:
            finding = _judged(rehearsal, section, constraint, networks)
            if finding is not None:
                yield finding


def _decidable(rehearsal: Rehearsal, constraint: Constraint) -> bool:
    quantity = Quantity.of(constraint.quantity)
    options = dict(rehearsal.targets[0].gauge.quantities).get(quantity.objective, {})
    # Pruned and shared weights make a compressed file smaller: that depends on the training.
    decided = structural(constraint.quantity) and not options.get("compressed")
    return decided and not (rehearsal.quick and timed(constraint.quantity))


def _networks(rehearsal: Rehearsal, wanted: set[str]) -> Iterator[Measured]:
    """Yields the smallest networks, pruned and in each number format, with these quantities."""
    prunings, formats = (_ends(rehearsal, section) for section in ("pruning", "quantization"))
    smallest = sorted(rehearsal.sizes, key=lambda pair: pair[0])[:SMALLEST]
    for _, network in smallest[: 1 if rehearsal.quick else SMALLEST]:
        for pruning in prunings:
            for number_format in formats:
                if rehearsal.over:
                    return
                plan = rehearsal.untrained(network, pruning=pruning, quantization=number_format)
                answer = attempt("measure", lambda plan=plan: _values(rehearsal, plan, wanted))  # type: ignore[misc]
                if not isinstance(answer, Refusal):
                    yield Measured(plan, answer)


def _ends(rehearsal: Rehearsal, section: str) -> list[Any]:
    """Returns each option of a section once, with all its numbers at their lowest and highest."""
    every = variants(rehearsal.spec.space, section)
    ended = {variant.option for variant in every if variant.level != "middle"}
    chosen: dict[tuple[str, str], Any] = {}
    for variant in every:
        if variant.level != "middle" or variant.option not in ended:
            key = variant.option, variant.level
            chosen.setdefault(key, rehearsal.choices(variant)[section])
    return list(chosen.values())


def _values(rehearsal: Rehearsal, plan: Plan, wanted: set[str]) -> dict[str, Measurement]:
    candidate = rehearsal.build(plan).candidate
    values: dict[str, Measurement] = {}
    for target in (each.without_load() for each in rehearsal.targets):
        objectives = {Quantity.of(name).objective for name in wanted}
        artifact = rehearsal.deploy(candidate, target)
        for name, options in target.gauge.quantities:
            if name in objectives:
                quick = quick_options(name, options)
                gauge = target.gauge.only(name, quick)
                subject = target.subject(artifact, candidate.model, rehearsal.data)
                values |= {m.name: m for m in target.named(gauge.measure(subject))}
    return values


def _judged(
    rehearsal: Rehearsal, section: str, constraint: Constraint, networks: list[Measured]
) -> Finding | None:
    baseline = rehearsal.values.get(constraint.quantity)
    name = constraint.quantity
    tried = [network for network in networks if name in network.values]
    if baseline is None or not tried:
        return None
    reference = baseline.value
    best = min(tried, key=lambda n: constraint.violation(n.values[name].value, reference))
    measured = best.values[name]
    reached = measured.low if constraint.upper else measured.high
    violation = constraint.violation(reached, reference)
    if violation <= 0 or constraint.violation(reference, reference) <= 0:
        return None
    bound = format_quantity(constraint.bound.resolve(reference), measured)
    text = (
        f"no network that was tried holds it: the best has {name} "
        f"{format_quantity(measured.value, measured)} ({plan_text(best.plan.to_json())}), the "
        f"bound is {bound}; raise the bound, or add smaller networks to the space"
    )
    if not constraint.upper:
        text = text.replace("raise the bound", "lower the bound").replace("smaller", "other")
    clear = section == "constraints" and violation > CLEAR and not rehearsal.quick
    return Finding(constraint.text, "mistake" if clear else "note", text, (section,))
