"""What `paretune init` prints: the model in figures, the study, and the next command. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.preflight.estimate import duration
from paretune.search.starting.init import InitResult
from paretune.search.starting.study_text import facts_lines
from paretune.search.views.words import count_text

LABEL = 10
"""Columns of the labels."""

SECTIONS = ("architecture", "pruning", "distillation", "quantization")

MOST_NAMES = 4
"""Options that the line on what was left out names."""


def summary(result: InitResult) -> str:
    """Returns the summary, in under 15 lines."""
    lines = [f"{label.strip():<{LABEL}}{text}" for label, text in _lines(result)]
    return "\n".join([*lines, "", f"next: paretune run {result.path}"])


def _lines(result: InitResult) -> Iterator[tuple[str, str]]:
    for label, text in facts_lines(result.facts):
        if label.strip() != "note":
            yield label, text
    yield "searched", _space_text(result.source.get("space", {}))
    left_out = [each.option for each in result.choices.left_out]
    if left_out:
        more = f" and {len(left_out) - MOST_NAMES} more" if len(left_out) > MOST_NAMES else ""
        yield "left out", ", ".join(left_out[:MOST_NAMES]) + more + "; the file says why"
    trials = result.source["search"]["trials"]
    total = f", {duration(result.estimate.total)} in all" if result.estimate else ""
    yield "study", f"{result.path}: {trials} trials{total}"


def _space_text(space: Mapping[str, Any]) -> str:
    """Returns the options of the space: `pruning structured; quantization static, float16`."""
    texts = []
    for section in SECTIONS:
        value = space.get(section)
        if not isinstance(value, Mapping):
            continue
        options = [name for name in value.get("choice", value) if name != "none"]
        texts.append(f"{section} {', '.join(options)}")
    if "finetune" in space:
        texts.append(f"finetuning of {count_text(space['finetune']['epochs'], 'epoch')}")
    return "; ".join(texts) or "nothing"
