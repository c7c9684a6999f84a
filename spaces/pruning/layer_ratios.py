"""Pruning ratios of single layers, by name or by position in the network ("2/8")."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.module_names import check_names

SLOT = re.compile(r"^([1-9]\d*)/([1-9]\d*)$")
"""`2/8`: the layers in the second eighth of the network."""


def ratios(
    layers: Sequence[PrunableLayer],
    order: Sequence[str],
    per_layer: Mapping[str, float],
    default: float,
) -> list[float]:
    """Returns the ratio of each layer.

    Args:
        layers: Prunable layers of the network.
        order: Their names from the input to the output.
        per_layer: Layer name or slot ("2/8") -> ratio. A name overrides a slot.
        default: Ratio of the layers that `per_layer` does not mention.

    Raises:
        InfeasibleCandidate: No layer has such a name; the text lists the nearest names.
    """
    named = {member: layer.name for layer in layers for member in layer.members}
    check_names([key for key in per_layer if not SLOT.match(key)], list(named), "per_layer")
    ratio_of = dict.fromkeys(order, default)
    for key, ratio in per_layer.items():
        if slot := SLOT.match(key):
            part, parts = int(slot[1]), int(slot[2])
            for index, name in enumerate(order):
                if slot_of(index, len(order), parts) == part:
                    ratio_of[name] = ratio
    for key, ratio in per_layer.items():
        if key in named:
            ratio_of[named[key]] = ratio
    return [ratio_of[layer.name] for layer in layers]


def slot_of(index: int, layers: int, parts: int) -> int:
    """Returns which of `parts` equal parts (from 1) contains the layer at an index (from 0)."""
    return math.floor(index * parts / layers) + 1


def check_slots(per_layer: Mapping[str, float]) -> None:
    """Checks that every slot lies in its range.

    Raises:
        ValueError: A slot is out of range ("9/8").
    """
    for key in per_layer:
        slot = SLOT.match(key)
        if slot and int(slot[1]) > int(slot[2]):
            last = f"{slot[2]}/{slot[2]}"
            raise ValueError(f'per_layer: "{key}" is outside; give 1/{slot[2]} .. {last}')
