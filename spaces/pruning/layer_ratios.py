"""Ratios for single layers: by a layer's name, or by where it stands in the network ("2/8")."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.module_names import check_names

SLOT = re.compile(r"^([1-9]\d*)/([1-9]\d*)$")
"""`2/8`: the layers in the second eighth of the network."""


def ratios(
    layers: Sequence[PrunableLayer], order: Sequence[str], given: Mapping[str, float], other: float
) -> list[float]:
    """The ratio of each layer.

    Args:
        layers: Of the network.
        order: Their names from the input to the output.
        given: Layer name, or slot, -> ratio. A name goes before a slot.
        other: For layers that nothing is given for.

    Raises:
        InfeasibleCandidate: No layer has such a name; says the nearest ones.
    """
    named = {member: layer.name for layer in layers for member in layer.members}
    check_names([key for key in given if not SLOT.match(key)], list(named), "per_layer")
    found = dict.fromkeys(order, other)
    for key, ratio in given.items():
        if slot := SLOT.match(key):
            part, parts = int(slot[1]), int(slot[2])
            for place, name in enumerate(order):
                if slot_of(place, len(order), parts) == part:
                    found[name] = ratio
    for key, ratio in given.items():
        if key in named:
            found[named[key]] = ratio
    return [found[layer.name] for layer in layers]


def slot_of(place: int, layers: int, parts: int) -> int:
    """Into which of `parts` equal parts (from 1) the layer at a place (from 0) falls."""
    return math.floor(place * parts / layers) + 1


def check_slots(given: Mapping[str, float]) -> None:
    """Sees to it that slots lie within their network.

    Raises:
        ValueError: One does not ("9/8").
    """
    for key in given:
        slot = SLOT.match(key)
        if slot and int(slot[1]) > int(slot[2]):
            last = f"{slot[2]}/{slot[2]}"
            raise ValueError(f'per_layer: "{key}" is outside; give 1/{slot[2]} .. {last}')
