"""Checks the objectives: each is measured once on the baseline's file."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.measuring.gauge import NEEDS_WEIGHTS, TIMING, quantity_of
from paretune.search.measuring.quick import quick_options
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.study.quantity import SUSTAINED, Quantity
from paretune.search.study.tables import OBJECTIVES
from paretune.search.study.units import format_quantity
from paretune.search.trial.workbench import Deployed

SCORE = "score"
"""The objective with the scores of a task, each named for itself in the study file."""

QUICK_SECONDS = 1.5
"""Longest timing, by its option `seconds`, that the first step of a run makes in full."""


def check_objectives(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each quantity that the study measures."""
    spent = 0.0
    for deployed in rehearsal.deployed:
        if deployed.target.name in rehearsal.refused_devices:
            continue
        for name, options in deployed.target.gauge.quantities:
            begun = time.perf_counter()
            answer, scale = _measured(rehearsal, deployed, name, options)
            spent += scale * (time.perf_counter() - begun) + _load_seconds(deployed, name)
            yield _finding(rehearsal, deployed, name, answer)
    rehearsal.seconds["measure"] = spent


def _load_seconds(deployed: Deployed, name: str) -> float:
    """Returns the seconds under load that a trial takes beside, and this check leaves out."""
    device = deployed.target.device
    return (device.sustained or 0.0) if device and name == Quantity.of(SUSTAINED).objective else 0.0


def _measured(
    rehearsal: Rehearsal, deployed: Deployed, name: str, options: Mapping[str, Any]
) -> tuple[list[Measurement] | Refusal, float]:
    """Measures one objective; returns also how many times as long a trial takes for it."""
    cost, scale = OBJECTIVES.get(name).cost, 1.0
    if cost == TIMING and rehearsal.quick:
        short = quick_options(name, options)
        full: dict[str, Any] = (
            OBJECTIVES.get(name).Params.model_validate(dict(options)).model_dump()
        )
        if full.get("seconds", 0) > QUICK_SECONDS:
            options, scale = short, full["seconds"] / short["seconds"]
    target = deployed.target.without_load()
    target = replace(target, gauge=target.gauge.only(name, options))
    data = rehearsal.measured_data()
    seconds = rehearsal.network.epochs if rehearsal.network else {}
    subject = target.subject(deployed.artifact, deployed.model, data, stage_seconds=seconds)
    answer = attempt("measure", lambda: target.measure(subject))
    if cost == NEEDS_WEIGHTS:
        scale = rehearsal.data.size("validation") / max(1, data.size("validation"))
        if isinstance(answer, Refusal):  # a few examples may lack what the objective needs
            scale, subject = 1.0, replace(subject, data=rehearsal.data)
            answer = attempt("measure", lambda: target.measure(subject))
    return answer, scale


def _finding(
    rehearsal: Rehearsal, deployed: Deployed, name: str, answer: list[Measurement] | Refusal
) -> Finding:
    metrics = dict(deployed.target.gauge.quantities)[name].get("metrics") if name == SCORE else None
    item = ", ".join(metrics or [name])
    item += f" on {deployed.target.name}" if deployed.target.name else ""
    if isinstance(answer, Refusal):
        key = _key(rehearsal, name)
        return Finding(item, "mistake", f"it cannot be measured: {answer.text}", key)
    first = next((m for m in answer if Quantity.of(m.name).value is None), answer[0])
    rehearsal.values |= {m.name: m for m in answer}
    if OBJECTIVES.get(name).cost == NEEDS_WEIGHTS or not math.isfinite(first.value):
        return Finding(item, "ok", "measured")
    return Finding(item, "ok", f"{format_quantity(first.value, first)} of the baseline")


def _key(rehearsal: Rehearsal, name: str) -> tuple[str, ...]:
    """Returns the key of the study file that asks for an objective."""
    metrics = rehearsal.spec.metrics
    objectives = (o.name for o in rehearsal.spec.objectives)
    named = next((o for o in objectives if quantity_of(o, metrics).objective == name), None)
    if named is not None:
        return ("objectives", named)
    bounds = rehearsal.spec.constraints
    bounded = any(quantity_of(c.quantity, metrics).objective == name for c in bounds)
    return ("constraints",) if bounded else ("goals",)
