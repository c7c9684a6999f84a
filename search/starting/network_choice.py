"""Chooses the sections `architecture` and `distillation` of a study file. Pure."""

from __future__ import annotations

from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import StartFacts, TriedOption
from paretune.search.starting.family_scales import SCALES
from paretune.search.starting.section_choice import (
    NONE,
    LeftOut,
    SectionChoice,
    gain_text,
    without_gain,
)


def architecture_choice(facts: StartFacts) -> SectionChoice:
    """Returns which smaller networks of the baseline's family to search; none if it is trained."""
    if facts.own_task:
        return SectionChoice()
    if facts.weights != "random":
        text = "they have no weights and would be trained from scratch"
        return SectionChoice(None, {}, (LeftOut("other widths and depths", text),))
    tried = facts.options("architecture")
    left_out = [
        LeftOut(f"{_params_text(t)} of {facts.family}", str(t.refusal or without_gain(t)))
        for t in tried
        if t.refusal or without_gain(t)
    ]
    good = [t for t in tried if t.works and not without_gain(t)]
    if not good:
        if facts.family not in SCALES:
            text = f"{facts.family} has no parameter that Paretune scales"
            left_out.append(LeftOut("other widths and depths", text))
        return SectionChoice(None, {}, tuple(left_out))
    [(_, base)] = facts.architecture.items()
    params: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
    comments: dict[Path, str] = {}
    for name in dict.fromkeys(name for t in good for name in t.params):
        values = [t for t in good if name in t.params]
        params[name] = _domain(name, values, facts)
        comments[facts.family, name] = "; ".join(
            f"{_value_text(t.params[name])}: {gain_text(t).removesuffix(' when tried')}"
            for t in values
        )
    return SectionChoice({facts.family: params}, comments, tuple(left_out))


def _domain(name: str, tried: list[TriedOption], facts: StartFacts) -> dict[str, Any]:
    """Returns the values that were tried and the baseline's."""
    current = facts.defaults[name]
    values = dict.fromkeys([*(t.params[name] for t in tried), current])
    return {"choice": list(values) if isinstance(current, str) else sorted(values)}


def _value_text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _params_text(tried: TriedOption) -> str:
    return ", ".join(f"{name} {_value_text(value)}" for name, value in tried.params.items())


def distillation_choice(facts: StartFacts) -> SectionChoice:
    """Returns whether networks also learn from the baseline's outputs."""
    tried = facts.options("distillation")
    if not tried:
        return SectionChoice()
    if not tried[0].works:
        left_out = LeftOut("distillation", str(tried[0].refusal))
        return SectionChoice(None, {}, (left_out,))
    value = {
        "choice": {
            **NONE,
            "logits": {"temperature": {"float": [1, 8]}, "alpha": {"float": [0.1, 0.9]}},
        }
    }
    text = "finetuning also learns from the baseline's outputs; it worked when tried"
    return SectionChoice(value, {("choice", "logits"): text})
