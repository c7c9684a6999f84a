"""Chooses the section `quantization` of a study file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import NOTABLE, StartFacts, TriedOption
from paretune.search.starting.ranges import KEPT_FLOAT
from paretune.search.starting.section_choice import (
    NONE,
    LeftOut,
    SectionChoice,
    gain_text,
    without_gain,
)
from paretune.search.study.units import format_value

NAMES = {
    "static": "static int8",
    "dynamic": "dynamic int8",
    "qat": "qat (int8)",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "weight_only": "weight_only int4",
}
"""Number format -> its name in texts."""

RUINED = 0.3
"""Loss with which a format is not worth a trial, unless a remedy exists."""

REMEDIED = ("static",)
"""Formats whose loss a remedy can reduce: sensitive layers in float, or qat."""


def format_choice(facts: StartFacts) -> SectionChoice:
    """Returns which number formats to search."""
    options: dict[str, Any] = dict(NONE)
    comments: dict[Path, str] = {}
    left_out: list[LeftOut] = []
    # A trial of a remedy, such as keep_float of static, is no option of its own.
    every = [t for t in facts.options("quantization") if "keep_float" not in t.params]
    for option in dict.fromkeys(tried.option for tried in every):
        tries = [tried for tried in every if tried.option == option]
        refusals = [_refusal(tried, facts, options) for tried in tries]
        offered = [t for t, reason in zip(tries, refusals, strict=True) if not reason]
        if not offered:
            reason = _joint_text(tries, [reason or "" for reason in refusals])
            left_out.append(LeftOut(NAMES.get(option, option), reason))
            continue
        worst = max(offered, key=lambda t: facts.score.loss(t.score) or 0.0)
        options[option] = _params(worst, facts)
        texts = [reason or _text(t, facts) for t, reason in zip(tries, refusals, strict=True)]
        comments["choice", option] = _joint_text(tries, texts)
    lacking = [n for name, n in NAMES.items() if name not in facts.formats]
    if lacking:
        runtime = " and ".join(dict.fromkeys(facts.runtimes.values()))
        left_out.append(LeftOut(", ".join(lacking), f"{runtime} does not have them"))
    if options == NONE:
        return SectionChoice(None, {}, tuple(left_out))
    return SectionChoice({"choice": options}, comments, tuple(left_out))


def _joint_text(tries: Sequence[TriedOption], texts: Sequence[str]) -> str:
    """Returns the texts of one format on several targets; a text that all share stands alone."""
    if len(set(texts)) == 1:
        return texts[0]
    pairs = zip(tries, texts, strict=True)
    return "; ".join(f"{tried.target}: {text}" for tried, text in pairs)


def _refusal(tried: TriedOption, facts: StartFacts, options: dict[str, Any]) -> str | None:
    """Returns why a format is not offered; None if it is."""
    reason = tried.refusal or without_gain(tried)
    if reason:
        return reason
    loss = facts.score.loss(tried.score)
    if loss is not None and loss > RUINED and tried.option not in REMEDIED:
        return f"{_score_text(tried, facts)} when tried"
    if tried.option == "bfloat16" and "float16" in options:
        return "as large as float16, with fewer digits"
    if tried.option == "dynamic":
        return _dynamic_refusal(tried, facts, options)
    if tried.option == "qat":
        return _qat_refusal(facts, options)
    return None


def _dynamic_refusal(tried: TriedOption, facts: StartFacts, options: dict[str, Any]) -> str | None:
    """Returns why dynamic int8, which is no slower than the baseline, is not offered."""
    only = tried.facts.get("cpu_only")
    if not only or "static" not in options:
        return None
    every = facts.options("quantization", "static")
    static = next((other for other in every if other.target == tried.target), every[0])
    if tried.timed and static.timed and tried.high < static.low:
        return None
    return (
        f"accelerators of phones lack its {', '.join(only)}, and static int8 is as small and as "
        "fast"
    )


def _qat_refusal(facts: StartFacts, options: dict[str, Any]) -> str | None:
    """Returns why qat, which worked, is not offered."""
    if "static" not in options:
        return "static int8 is not offered either, and qat gives the same file"
    static = facts.options("quantization", "static")[0]
    loss = facts.score.loss(static.score)
    if loss is None:
        return "it trains longer than static int8; add it if static int8 costs too much"
    if loss < NOTABLE:
        return "static int8 costs next to nothing without training"
    return None


def _params(tried: TriedOption, facts: StartFacts) -> dict[str, Any]:
    """Returns the parameters to search of a format."""
    loss = facts.score.loss(tried.score)
    remedies = [t for t in facts.options("quantization", "static") if "keep_float" in t.params]
    lossy = tried.option == "static" and loss is not None and loss >= NOTABLE
    if lossy and any(t.works for t in remedies):
        return {"keep_float": {"int": [0, KEPT_FLOAT]}}
    return dict(tried.params) if tried.option == "qat" else {}


def _text(tried: TriedOption, facts: StartFacts) -> str:
    text = gain_text(tried)
    scored = _score_text(tried, facts)
    return f"{text}; {scored}" if scored else text


def _score_text(tried: TriedOption, facts: StartFacts) -> str:
    """Returns the score beside the baseline's: `accuracy 97.1 % -> 96.9 %`."""
    score = facts.score
    if tried.score is None or score.short is None or tried.option == "qat":
        return ""
    before, after = (
        format_value(value, score.unit, score.name) for value in (score.short, tried.score)
    )
    return f"{score.name} {before} -> {after}" if before != after else f"same {score.name}"
