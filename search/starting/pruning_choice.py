"""Chooses the section `pruning` of a study file. Pure."""

from __future__ import annotations

from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import StartFacts, TriedOption
from paretune.search.starting.ranges import HALF, ratio_range
from paretune.search.starting.section_choice import (
    NONE,
    LeftOut,
    SectionChoice,
    gain_text,
    without_gain,
)

SHOWN = 2
"""Layers that a comment names."""

DEPTHS = ("blocks", "depth", "layers")
"""Parameters of families that make a network shallower."""

MASKS = LeftOut(
    "unstructured and semi_structured pruning",
    "they set weights to zero; the file keeps its size, and its time here",
)


def pruning_choice(facts: StartFacts) -> SectionChoice:
    """Returns which prunings to search, and in which ranges."""
    options: dict[str, Any] = dict(NONE)
    comments: dict[Path, str] = {}
    left_out: list[LeftOut] = []
    for add in (_structured, _depth):
        add(facts, options, comments, left_out)
    left_out.append(MASKS)
    if options == NONE:
        return SectionChoice(None, {}, tuple(left_out))
    return SectionChoice({"choice": options}, comments, tuple(left_out))


def _structured(
    facts: StartFacts,
    options: dict[str, Any],
    comments: dict[Path, str],
    left_out: list[LeftOut],
) -> None:
    tried = facts.options("pruning", "structured")
    if not tried:
        return
    first = tried[0]
    reason = first.refusal or without_gain(first)
    ratios = ratio_range([t for t in tried if _criterion(t) == _criterion(first)])
    if reason or ratios is None:
        text = reason or "no ratio that was tried removes a channel"
        left_out.append(LeftOut("structured pruning", text))
        return
    low, high = ratios
    round_to = first.params["round_to"]
    value: dict[str, Any] = {"ratio": {"float": [low, high]}}
    criteria = [_criterion(t) for t in tried if t.works and t.params["ratio"] == HALF]
    left_out += [
        LeftOut(f"structured pruning by {_criterion(t)}", str(t.refusal))
        for t in tried
        if not t.works and t.params["ratio"] == HALF
    ]
    if len(criteria) > 1:
        value["criterion"] = {"choice": criteria}
    value["round_to"] = round_to
    options["structured"] = value
    path = ("choice", "structured")
    comments[path] = f"removes channels, neurons and heads; at {HALF:g}: {gain_text(first)}"
    comments[*path, "ratio"] = _ratio_text(tried, low, high)
    if len(criteria) > 1:
        comments[*path, "criterion"] = "both worked when tried"
    comments[*path, "round_to"] = _round_text(facts, round_to)


def _criterion(tried: TriedOption) -> str:
    return str(tried.params.get("criterion", "magnitude"))


def _ratio_text(tried: list[TriedOption], low: float, high: float) -> str:
    """Returns which share of the multiply-adds the ends of the range leave."""
    macs = {t.params["ratio"]: t.macs for t in tried if t.works and t.macs is not None}
    if low in macs and high in macs:
        return f"leaves {100 * macs[low]:.0f} % to {100 * macs[high]:.0f} % of the multiply-adds"
    return f"{high:g} leaves {100 * macs[high]:.0f} % of the multiply-adds" if high in macs else ""


def _round_text(facts: StartFacts, round_to: int) -> str:
    runtime = next(iter(facts.runtimes.values()))
    if round_to == facts.alignment:
        return f"{runtime} computes {round_to} channels at once on this machine"
    if not facts.layers:
        return ""
    least = min(facts.layers.values())
    return f"{facts.alignment} would suit {runtime} here, but layers have {least} units and more"


def _depth(
    facts: StartFacts,
    options: dict[str, Any],
    comments: dict[Path, str],
    left_out: list[LeftOut],
) -> None:
    tried = facts.options("pruning", "depth")
    every = next((t for t in tried if "share" in t.params), None)
    half = next((t for t in tried if "blocks" in t.params), None)
    if every is None:
        return
    removed = len(every.facts.get("removed", ()))
    worst = half if half is not None else every
    reason = every.refusal or worst.refusal or without_gain(worst)
    if reason or not removed:
        left_out.append(LeftOut("depth pruning", reason or "no block can be left out"))
        return
    if any(set(t.params) & set(DEPTHS) for t in facts.options("architecture") if t.works):
        left_out.append(LeftOut("depth pruning", "the architecture searches the depth already"))
        return
    options["depth"] = {"blocks": {"int": [1, removed]} if removed > 1 else 1}
    path = ("choice", "depth")
    count = half.params["blocks"] if half else 1
    blocks = "1 block" if count == 1 else f"{count} blocks"
    comments[path] = f"removes whole blocks; {blocks}: {gain_text(worst)}"
