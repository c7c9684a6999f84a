"""What pruning removed from a trial's network, next to what the plan asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.study.records import TrialRecord
from paretune.search.views.plan_text import pruned_of, removed_share

FAR = 0.02
"""Smallest difference of two shares of channels that is shown."""


def pruned_lines(trial: TrialRecord) -> list[str]:
    """Returns lines on what pruning removed and which layers it left whole; empty without it."""
    pruned = pruned_of(trial)
    if not pruned:
        return []
    amounts = ", ".join(
        f"{name} {pruned[key][0]:,} -> {pruned[key][1]:,}"
        for name, key in (("channels", "channels"), ("weights", "parameters"), ("MACs", "macs"))
        if key in pruned
    )
    lines = [f"pruned: {amounts}{_asked(trial, pruned)}"]
    reasons: dict[str, list[str]] = {}
    for layer, reason in pruned.get("whole", {}).items():
        reasons.setdefault(reason, []).append(layer)
    return lines + [f"kept whole: {', '.join(layers)} ({r})" for r, layers in reasons.items()]


def subnet_lines(trial: TrialRecord) -> list[str]:
    """Returns a line on what is left of the full network in a subnet; empty for other trials."""
    subnet = ((trial.artifact or {}).get("info") or {}).get("subnet")
    if not subnet:
        return []
    choice = ", ".join(f"{name} {value:g}" for name, value in subnet["choice"].items())
    amounts = ", ".join(
        f"{name} {subnet[key][0]:,} -> {subnet[key][1]:,}"
        for name, key in (("weights", "parameters"), ("MACs", "macs"))
        if key in subnet
    )
    return [f"subnet of the elastic network: {choice or 'all of it'}; {amounts}"]


def _asked(trial: TrialRecord, pruned: Mapping[str, Any]) -> str:
    """Returns the ratio that the plan asks for, if another share of the channels went."""
    for options in _structured(trial):
        ratio, gone = options.get("ratio"), removed_share(pruned["channels"])
        if ratio is not None and not options.get("per_layer") and abs(gone - ratio) >= FAR:
            cause = "" if pruned.get("whole") else f" (round_to: {options.get('round_to')})"
            return (
                f"; asked for {100 * ratio:.0f} % of the channels, {100 * gone:.0f} % went{cause}"
            )
    return ""


def _structured(trial: TrialRecord) -> Iterator[Mapping[str, Any]]:
    for stage in trial.plan:
        options = stage["params"].get("pruning") if stage["kind"] == "prune" else None
        if options and "structured" in options:
            yield options["structured"]
