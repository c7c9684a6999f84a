"""Checks the prunings of the space: each is applied once to networks that are not trained."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.preflight.architecture_check import network_name
from paretune.search.preflight.attempts import Refusal, attempt, judged, nothing_left
from paretune.search.preflight.baseline_check import check_outputs
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.variants import NONE, Variant, variants
from paretune.search.study.plan import Plan
from paretune.search.views.plan_text import plan_text

SECTION = "pruning"

MOST_NETWORKS = 8
"""Architectures on which a check tries each pruning; the first step of a run takes two."""


def check_prunings(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each pruning of the space, and for each reason of a refusal."""
    findings: list[Finding] = []
    options: dict[str, list[Variant]] = {}
    for variant in variants(rehearsal.spec.space, SECTION):
        [name] = rehearsal.choices(variant)[SECTION]
        options.setdefault(name, []).append(variant)
    networks = _networks(rehearsal)
    if not networks:
        return
    for option, chosen in options.items():
        if option != NONE:
            findings += _option(rehearsal, option, chosen, networks)
    yield from findings
    if NONE not in options:
        yield from nothing_left(SECTION, findings)


def _networks(rehearsal: Rehearsal) -> list[Variant]:
    """Returns one variant of each architecture that can be built, the largest one."""
    largest: dict[str, Variant] = {}
    for _, variant in sorted(rehearsal.sizes, key=lambda pair: -pair[0]):
        largest.setdefault(variant.option, variant)
    return list(largest.values())[: 2 if rehearsal.quick else MOST_NETWORKS]


def _option(
    rehearsal: Rehearsal, option: str, chosen: list[Variant], networks: list[Variant]
) -> list[Finding]:
    """Tries the variants of one pruning on the first network, and its middle on all others."""
    tried: list[tuple[str, Refusal | None]] = []
    shares: list[float] = []
    pairs = [(network, chosen[0]) for network in networks]
    pairs += [(networks[0], variant) for variant in chosen[1:]]
    for network, variant in pairs:
        if rehearsal.over and tried:
            break
        pruning = rehearsal.choices(variant)[SECTION]
        plan = rehearsal.untrained(network, pruning=pruning)
        answer = attempt("prune", lambda plan=plan: _removed(rehearsal, plan))  # type: ignore[misc]
        refusal = answer if isinstance(answer, Refusal) else None
        stages = [stage for stage in plan.to_json() if stage["kind"] == "prune"]
        tried.append((f"{plan_text(stages)} of {network_name(plan)}", refusal))
        if isinstance(answer, float):
            shares.append(answer)
    return judged(option, tried, _text(shares), rehearsal.option_key(SECTION, option))


def _removed(rehearsal: Rehearsal, plan: Plan) -> float:
    """Prunes an untrained network; returns the share of its weights that is gone or zero."""
    before = rehearsal.untrained_network(plan.stages[0].params["architecture"]).model
    pruned = rehearsal.build(plan).candidate
    check_outputs(pruned, rehearsal.batch())
    left = sum(int((p != 0).sum()) for p in pruned.model.parameters())
    return 1 - left / max(1, sum(int((p != 0).sum()) for p in before.parameters()))


def _text(shares: list[float]) -> str:
    if not shares:
        return ""
    low, high = (f"{100 * max(share, 0):.0f}" for share in (min(shares), max(shares)))
    span = f"{low} %" if low == high else f"{low} to {high} %"
    times = f"applied {len(shares)} times" if len(shares) > 1 else "applied once"
    return f"{times}; it removes {span} of the weights"
