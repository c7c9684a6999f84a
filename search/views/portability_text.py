"""Says which execution providers of ONNX Runtime run a deployed file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.objectives.runtimes.onnx_portability import PROVIDERS, lacking

if TYPE_CHECKING:
    from paretune.search.study.records import TrialRecord

NAMED = 3
"""Operators that a sentence names at most."""


def portability_text(artifact: Mapping[str, Any] | None) -> str:
    """Returns a sentence about `info["operators"]`; "" if the file has no list of operators.

    Args:
        artifact: As the database stores it; None if a trial has none.
    """
    operators = ((artifact or {}).get("info") or {}).get("operators")
    if not operators:
        return ""
    missing = {name: lacking(operators, name) for name in PROVIDERS}
    complete = ["the CPU", *(name for name, each in missing.items() if not each)]
    total = sum(operators.values())
    parts = [f"all {total} operators run on {', '.join(complete)}"]
    parts += [
        f"{name} lacks {sum(each.values())} ({_named(each)})"
        for name, each in missing.items()
        if each
    ]
    return "; ".join(parts)


def portability_facts(trials: Iterable[TrialRecord]) -> list[tuple[str, str]]:
    """Returns (trial and target, sentence) of each file that lists its operators."""
    facts = []
    for trial in trials:
        name = f"trial {trial.number}" if trial.number else "baseline"
        files: dict[str, Any] = dict(trial.artifacts) or {"": trial.artifact}
        for target, artifact in files.items():
            if text := portability_text(artifact):
                facts.append((f"{name} on {target}" if target else name, text))
    return facts


def _named(missing: Mapping[str, int]) -> str:
    """Returns the most frequent operators: `QuantizeLinear 9, ConvInteger 3, ...`."""
    ordered = sorted(missing.items(), key=lambda item: (-item[1], item[0]))
    names = [f"{name} {count}" for name, count in ordered[:NAMED]]
    return ", ".join([*names, *(["..."] if len(ordered) > NAMED else [])])
