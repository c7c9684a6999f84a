"""The stages of a plan that apply a technique, and which of them train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Slot, Table

TECHNIQUES: dict[str, tuple[str, Table]] = {
    "prune": ("pruning", PRUNINGS),
    "quantize": ("quantization", QUANTIZATIONS),
}
"""Kind of a stage that applies a technique -> its key among the stage's parameters, its table."""


def technique(kind: str, params: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """The technique of a stage that has one: its name in the plan, itself, checked parameters.

    Raises:
        ValidationError: The technique does not take these parameters.
    """
    key, table = TECHNIQUES[kind]
    option = Slot(table).option(params[key])
    return option.name, table.get(option.name), option.params


def trains(kind: str, params: Mapping[str, Any]) -> bool:
    """Whether a stage trains, so that its result is worth keeping.

    Pruning alone is made again in no time. A technique whose parameters are refused does not train:
    the stage says what is wrong with them when its turn comes.
    """
    if kind not in TECHNIQUES:
        return True
    try:
        _, entry, checked = technique(kind, params)
    except ValidationError:
        return False
    return hasattr(entry, "trains") and bool(entry.trains(checked))


def epochs(kind: str, params: Mapping[str, Any]) -> int:
    """How long a stage trains; a technique that does not say counts as one epoch."""
    if not trains(kind, params):
        return 0
    if kind not in TECHNIQUES:
        recipe = params["recipe"]
        return int(recipe["epochs"]) if recipe else 0
    _, entry, checked = technique(kind, params)
    return int(entry.epochs(checked)) if hasattr(entry, "epochs") else 1


def stand_in(kind: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The parameters by which a stage does without training what it is deployed like.

    That of quantization-aware training is static int8, which rounds in the same places. None where
    a stage trains and there is nothing in its place.
    """
    if not trains(kind, params):
        return params
    if kind not in TECHNIQUES:
        return None
    key, table = TECHNIQUES[kind]
    name, _, checked = technique(kind, params)
    if name != "qat":
        return None
    kept = table.get("static").Params.model_fields
    options = {n: value for n, value in checked.model_dump().items() if n in kept}
    return {key: {"static": options}}
