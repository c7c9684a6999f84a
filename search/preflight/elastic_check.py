"""Checks an elastic architecture: it is trained for a moment, and subnets are cut and exported."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.baseline_check import check_outputs
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.variants import Variant, variants
from paretune.search.study.elastic import ELASTIC, SUBNET, elastic_choice
from paretune.search.study.plan import Plan
from paretune.search.views.plan_text import subnet_text

SECTION = "architecture"

MOST = 12
"""Subnets that a check cuts out; the first step of a run tries two."""

MOST_QUICK = 2

ADVICE = "leave out the option that the network cannot have, or change it"


def check_elastic(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for the elastic training, and one for each reason of a refused subnet."""
    tried: list[int] = []
    refused: dict[Refusal, str] = {}
    for variant in _elastic_variants(rehearsal):
        if rehearsal.over and tried:
            break
        plan = rehearsal.untrained(variant)
        subnet = plan.stage(SUBNET)
        assert subnet is not None
        answer = attempt(ELASTIC, lambda plan=plan: _size(rehearsal, plan))  # type: ignore[misc]
        if isinstance(answer, Refusal):
            refused.setdefault(answer, subnet_text(subnet.params[SUBNET]))
        else:
            tried.append(answer)
    key = rehearsal.option_key(SECTION, ELASTIC)
    if tried:
        span = f"{min(tried):,} to {max(tried):,} parameters"
        text = f"trained on a few batches; {len(tried)} subnets cut and exported, {span}"
        yield Finding(ELASTIC, "ok", text, key, len(tried))
    for refusal, name in refused.items():
        if refusal.diverged:  # that depends on a few batches
            yield Finding(name, "note", refusal.text, key)
        elif tried:
            yield Finding(name, "infeasible", refusal.text, key)
        else:
            _forget(rehearsal)
            yield Finding(ELASTIC, "mistake", f"{refusal.text}; {ADVICE}", key)


def _forget(rehearsal: Rehearsal) -> None:
    """Takes the elastic network from those that later checks try, as none of its subnets works."""
    space = rehearsal.spec.space
    rehearsal.sizes = [
        (size, variant)
        for size, variant in rehearsal.sizes
        if elastic_choice(variant.choices(space)) is None
    ]


def _elastic_variants(rehearsal: Rehearsal) -> list[Variant]:
    """Returns variants of the elastic architecture: the smallest and the largest subnet first."""
    every = [
        variant
        for variant in variants(rehearsal.spec.space, SECTION)
        if elastic_choice(rehearsal.choices(variant)) is not None
    ]
    ends = [variant for variant in every if variant.level != "middle"]
    rest = [variant for variant in every if variant.level == "middle"]
    return [*ends, *rest][: MOST_QUICK if rehearsal.quick else MOST]


def _size(rehearsal: Rehearsal, plan: Plan) -> int:
    """Trains for a moment, cuts a subnet and exports it; returns its number of parameters."""
    candidate = rehearsal.build(plan).candidate
    check_outputs(candidate, rehearsal.batch())
    for target in rehearsal.targets:
        rehearsal.deploy(candidate, target)
    return sum(parameter.numel() for parameter in candidate.model.parameters())
