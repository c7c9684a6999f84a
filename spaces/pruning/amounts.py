"""How much of a network the prunings in a history removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.spaces.base import Step


def pruned_amounts(history: Sequence[Step]) -> dict[str, Any] | None:
    """Returns what all prunings together removed; None if none changed a shape.

    Returns:
        "parameters", "macs" and "channels": [before, after]; channels are the outputs of all layers
        but the last. "blocks": [before, after] if residual blocks went. "whole": layer -> reason
        why it kept all its channels.
    """
    infos = [step.info for step in history if {"parameters", "macs", "units"} <= set(step.info)]
    if not infos:
        return None
    first, last = infos[0], infos[-1]
    amounts: dict[str, Any] = {
        name: [first[key][0], last[key][1]]
        for name, key in (("parameters", "parameters"), ("macs", "macs"), ("channels", "units"))
    }
    if blocks := [info for info in infos if "kept" in info]:
        kept = len(blocks[-1]["kept"])
        amounts["blocks"] = [kept + sum(len(info["removed"]) for info in blocks), kept]
    amounts["whole"] = _whole_layers(infos)
    return amounts


def _whole_layers(infos: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {name: reason for info in infos for name, reason in info.get("kept_whole", {}).items()}
