"""Checks the number formats: one network is deployed in each format on each runtime."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.measuring.gauge import measure_one
from paretune.search.measuring.quick import quick_options
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.preflight.attempts import Refusal, attempt, judged, nothing_left
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.variants import NONE, Variant, variants
from paretune.search.study.plan import Plan
from paretune.search.views.plan_text import plan_text

SECTION = "quantization"
LATENCY = "latency"

Times = dict[tuple[str | None, str], Measurement]
"""(target, number format) -> latency."""


def check_formats(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each number format of the space on each target."""
    if not rehearsal.sizes:
        return
    network = max(rehearsal.sizes, key=lambda pair: pair[0])[1]
    options: dict[str, list[dict[str, Any]]] = {}
    for variant in variants(rehearsal.spec.space, SECTION):
        value = rehearsal.choices(variant)[SECTION]
        [name] = value
        options.setdefault(name, []).append(value)
    if set(options) == {NONE}:
        return
    times: Times = {}
    findings: list[Finding] = []
    for option, values in options.items():
        findings += _option(rehearsal, option, values, network, times)
    yield from findings
    yield from nothing_left(SECTION, findings)
    yield from _slower(times)


def _option(
    rehearsal: Rehearsal,
    option: str,
    values: list[dict[str, Any]],
    network: Variant,
    times: Times,
) -> list[Finding]:
    tried: list[tuple[str, Refusal | None]] = []
    notes: list[Finding] = []
    for value in values:
        if rehearsal.over and tried:
            break
        plan = rehearsal.untrained(network, quantization=value)
        name = plan_text(plan.to_json()[1:]) or "float32"
        for target in rehearsal.targets:
            where = f"{name} in {target.deployment.name}"
            lacking = target.deployment.unsupported({} if option == NONE else {option: value})
            if lacking and len(rehearsal.targets) > 1:
                notes.append(Finding(where, "note", "this runtime lacks it: float32 instead"))
                continue
            answer = attempt(
                "deploy",
                lambda plan=plan, target=target: _latency(rehearsal, plan, target),  # type: ignore[misc]
            )
            tried.append((where, answer if isinstance(answer, Refusal) else None))
            if isinstance(answer, Measurement):
                times.setdefault((target.name, name), answer)
    return [*judged(option, tried, "deployed", rehearsal.option_key(SECTION, option)), *notes]


def _latency(rehearsal: Rehearsal, plan: Plan, target: Target) -> Measurement | None:
    """Deploys a network in a number format; returns its latency unless there is no time for it."""
    artifact = rehearsal.deploy(rehearsal.build(plan).candidate, target)
    options = dict(target.gauge.quantities).get(LATENCY)
    if rehearsal.quick or options is None:
        return None
    target = target.without_load()
    subject = replace(target.subject(artifact, NO_MODEL, rehearsal.data), baseline=None)
    answer = measure_one(subject, LATENCY, quick_options(LATENCY, options), "validation")
    first: Measurement = answer[0] if isinstance(answer, list | tuple) else answer
    return first


def _slower(times: Times) -> Iterator[Finding]:
    """Yields a note on each number format that is slower than float32 beyond its interval."""
    for (target, name), measured in times.items():
        plain = times.get((target, "float32"))
        if plain is not None and name != "float32" and measured.low > plain.high:
            factor = measured.value / plain.value
            text = f"{factor:.1f}x as slow as float32 on the largest network, timed once"
            yield Finding(name + (f" on {target}" if target else ""), "note", text)
