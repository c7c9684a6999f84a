"""Checks the architectures of the space: each is built, run and exported without training."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.building.watch import Watch
from paretune.search.preflight.attempts import Refusal, attempt, judged, nothing_left
from paretune.search.preflight.baseline_check import check_outputs
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.variants import Variant, variants
from paretune.search.study.plan import Plan
from paretune.search.study.spec import canonical
from paretune.search.views.plan_text import plan_text
from paretune.spaces.keeping import kept_modules

SECTION = "architecture"

MOST = 40
"""Networks that a check builds; the first step of a run builds fewer."""

MOST_QUICK = 6


def check_architectures(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each architecture of the space, and for each reason of a refusal."""
    every = variants(rehearsal.spec.space, SECTION)
    most = MOST_QUICK if rehearsal.quick else MOST
    tried: dict[str, list[tuple[str, Refusal | None]]] = {}
    sizes: dict[str, list[int]] = {}
    seen: set[str] = set()
    for variant in _spread(every, most):
        plan = rehearsal.plan(rehearsal.choices(variant))
        architecture = plan.stages[0].params["architecture"]
        if canonical([variant.option, architecture]) in seen:
            continue  # subnets of one elastic network have checks of their own
        seen.add(canonical([variant.option, architecture]))
        if rehearsal.refused and architecture == rehearsal.spec.baseline.architecture:
            continue  # its mistake is noted already
        [name] = architecture
        option = variant.option or name
        answer = attempt("pretrain", lambda plan=plan: _size(rehearsal, plan))  # type: ignore[misc]
        refusal = answer if isinstance(answer, Refusal) else None
        tried.setdefault(option, []).append((network_name(plan), refusal))
        if isinstance(answer, int):
            sizes.setdefault(option, []).append(answer)
            rehearsal.sizes.append((answer, variant))
    findings = [
        finding
        for option, attempts in tried.items()
        for finding in judged(
            option,
            attempts,
            _sizes_text(sizes.get(option, [])),
            rehearsal.option_key(SECTION, option),
        )
    ]
    yield from findings
    yield from nothing_left(SECTION, findings)
    if len(every) > most:
        yield Finding(
            "more", "skipped", f"{most} of {len(every)} networks were tried, of every kind one"
        )


def network_name(plan: Plan) -> str:
    """Returns the architecture of a plan as text: `simple_cnn width 0.5`."""
    return plan_text(plan.to_json()[:1])


def _size(rehearsal: Rehearsal, plan: Plan) -> int:
    """Builds, runs and exports a network; returns its number of parameters."""
    candidate = rehearsal.untrained_network(plan.stages[0].params["architecture"])
    kept_modules(candidate.model, candidate.keep)
    check_outputs(candidate, rehearsal.batch())
    rehearsal.real.probe(plan, Watch())
    return sum(parameter.numel() for parameter in candidate.model.parameters())


def _spread(every: list[Variant], most: int) -> list[Variant]:
    """Returns at most this many variants: the first of each option come first."""
    first: dict[str, Variant] = {}
    for variant in every:
        first.setdefault(variant.option, variant)
    rest = [variant for variant in every if variant not in first.values()]
    return [*first.values(), *rest][:most]


def _sizes_text(sizes: list[int]) -> str:
    if not sizes:
        return ""
    low, high = min(sizes), max(sizes)
    span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    networks = f"{len(sizes)} networks" if len(sizes) > 1 else "1 network"
    return f"{networks} built, run and exported; {span} parameters"
