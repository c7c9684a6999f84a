"""Stage: one step of a plan. Those that apply a technique know whether and how long it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from paretune.search.study.elastic import SUBNET
from paretune.search.study.spec import digest
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Slot, Table

TECHNIQUES: dict[str, tuple[str, Table]] = {
    "prune": ("pruning", PRUNINGS),
    "quantize": ("quantization", QUANTIZATIONS),
}
"""Kind of a stage that applies a technique -> its key among the stage's parameters, its table."""


@dataclass(frozen=True)
class Stage:
    """One stage of a plan.

    Attributes:
        kind: "pretrain", "elastic", "subnet", "prune", "finetune", "quantize" or "deploy".
        params: JSON, with all defaults.
    """

    kind: str
    params: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(digest([self.kind, self.params]))

    @cached_property
    def technique(self) -> tuple[str, Any, Any]:
        """The technique that the stage applies: name, entry, checked parameters.

        Only for the kinds in TECHNIQUES.

        Raises:
            ValidationError: The technique does not take these parameters.
        """
        key, table = TECHNIQUES[self.kind]
        option = Slot(table).option(self.params[key])
        return option.name, table.get(option.name), option.params

    @cached_property
    def trains(self) -> bool:
        """Whether the stage trains, so that its result is worth keeping.

        Pruning without training is repeated in no time. False if the technique refuses its
        parameters: the stage reports the mistake when it is run.
        """
        if self.kind not in TECHNIQUES:
            return self.kind != SUBNET
        key, table = TECHNIQUES[self.kind]
        entry = table.get(table.parse(self.params[key])[0])
        if not hasattr(entry, "trains"):
            return False  # most do not: their parameters need no check for this
        try:
            return bool(entry.trains(self.technique[2]))
        except ValidationError:
            return False

    @property
    def epochs(self) -> int:
        """Epochs that the stage trains; 1 if its technique gives no number."""
        if not self.trains:
            return 0
        if self.kind not in TECHNIQUES:
            recipe = self.params["recipe"]
            return int(recipe["epochs"]) if recipe else 0
        _, entry, checked = self.technique
        return int(entry.epochs(checked)) if hasattr(entry, "epochs") else 1

    @property
    def stand_in(self) -> Stage | None:
        """A stage that deploys the same layout without training; this stage if it does not train.

        Static int8 replaces quantization-aware training, because it rounds at the same points.
        None for any other stage that trains.
        """
        if not self.trains:
            return self
        if self.kind not in TECHNIQUES:
            return None
        key, table = TECHNIQUES[self.kind]
        name, _, checked = self.technique
        if name != "qat":
            return None
        static_options = table.get("static").Params.model_fields
        options = {n: value for n, value in checked.model_dump().items() if n in static_options}
        return Stage(self.kind, {key: {"static": options}})
