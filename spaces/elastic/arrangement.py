"""The arrangement of an elastic network: the order of its channels and blocks, and its space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paretune.spaces.base import Candidate, InfeasibleCandidate
from paretune.spaces.elastic.space import Choice, ElasticSpace

TECHNIQUE = "elastic"
"""Technique name of the step that holds the arrangement."""


@dataclass(frozen=True)
class Arrangement:
    """The order of a network's units and blocks, and the space of its subnets.

    Attributes:
        space: The dimensions.
        orders: Layer -> its units, the least important first.
        counts: Width -> for each of its values, the units that stay in each of its layers.
        pairs: Block -> whether it returns a tuple.
        kept_whole: Layer -> reason why it keeps all its units.
        random: Random subnets in each training step.
    """

    space: ElasticSpace
    orders: Mapping[str, Sequence[int]] = field(default_factory=dict)
    counts: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    pairs: Mapping[str, bool] = field(default_factory=dict)
    kept_whole: Mapping[str, str] = field(default_factory=dict)
    random: int = 2

    def units(self, choice: Choice) -> dict[str, int]:
        """Returns layer -> units that stay, for the layers that lose some.

        Args:
            choice: A complete choice.
        """
        staying: dict[str, int] = {}
        for name, counts in self.counts.items():
            values = self.space.dimensions[name]
            if choice[name] != values[-1]:
                row = counts[values.index(choice[name])]
                staying.update(zip(self.space.members[name], row, strict=True))
        return staying

    def to_json(self) -> dict[str, Any]:
        """Returns the arrangement as JSON, for `from_json`."""
        return {
            "space": self.space.to_json(),
            "orders": {name: list(order) for name, order in self.orders.items()},
            "counts": {name: [list(row) for row in rows] for name, rows in self.counts.items()},
            "pairs": dict(self.pairs),
            "kept_whole": dict(self.kept_whole),
            "random": self.random,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Arrangement:
        """Returns the arrangement that `to_json` wrote."""
        return Arrangement(**{**value, "space": ElasticSpace.from_json(value["space"])})


def arrangement_of(candidate: Candidate) -> Arrangement:
    """Returns the arrangement in a candidate's history.

    Raises:
        InfeasibleCandidate: It has none, or was cut afterwards.
    """
    techniques = [step.technique for step in candidate.history]
    if TECHNIQUE not in techniques:
        raise InfeasibleCandidate(
            "a subnet is cut from an elastic network, and this network is none; give the space an "
            "elastic architecture"
        )
    number = len(techniques) - 1 - techniques[::-1].index(TECHNIQUE)
    others = [technique for technique in techniques[number + 1 :] if technique != "train"]
    if others:
        raise InfeasibleCandidate(
            f"a subnet is cut from an elastic network, and {others[0]} changed this one after its "
            "elastic training"
        )
    return Arrangement.from_json(candidate.history[number].info)


def space_of(candidate: Candidate) -> ElasticSpace:
    """Returns the space of an arranged candidate.

    Raises:
        InfeasibleCandidate: As for `arrangement_of`.
    """
    return arrangement_of(candidate).space
