"""The space of an elastic network: the choices that make a subnet."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Choice = dict[str, float]
"""Dimension -> value: a share of channels, a number of blocks, or a side in pixels."""

RESOLUTION = "resolution"
"""Name of the dimension of the input's size."""


@dataclass(frozen=True)
class ElasticSpace:
    """The dimensions in which subnets differ.

    Attributes:
        dimensions: Name -> values, ascending; the last value is that of the full network. Names are
            "width.1", "width.2", ..., "depth.1", ..., "resolution".
        members: Name of a width -> layers that it applies to. Name of a depth -> blocks that may
            go, the least important first.
    """

    dimensions: Mapping[str, tuple[float, ...]]
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def full(self) -> Choice:
        """The choice of the full network."""
        return {name: values[-1] for name, values in self.dimensions.items()}

    @property
    def smallest(self) -> Choice:
        """The choice of the smallest subnet."""
        return {name: values[0] for name, values in self.dimensions.items()}

    @property
    def size(self) -> int:
        """Number of configurations."""
        return math.prod(len(values) for values in self.dimensions.values())

    def checked(self, choice: Mapping[str, float]) -> Choice:
        """Returns a complete choice; a dimension that it leaves out is that of the full network.

        Raises:
            ValueError: A name or a value is not in the space.
        """
        unknown = [name for name in choice if name not in self.dimensions]
        if unknown:
            raise ValueError(
                f'choice: the elastic network has no "{unknown[0]}"; it has '
                f"{', '.join(self.dimensions)}"
            )
        complete = {}
        for name, values in self.dimensions.items():
            value = choice.get(name, values[-1])
            near = [each for each in values if math.isclose(each, value, abs_tol=1e-6)]
            if not near:
                raise ValueError(
                    f"choice: {name} is one of {', '.join(f'{v:g}' for v in values)}; got {value:g}"
                )
            complete[name] = near[0]
        return complete

    def configurations(self, limit: int | None = None, seed: int = 0) -> list[Choice]:
        """Returns all choices, or `limit` different ones at random.

        Random ones contain the full network and the smallest subnet, as far as `limit` allows.

        Args:
            limit: Largest number of choices; None for all.
            seed: The same seed gives the same choices.
        """
        if limit is None or limit >= self.size:
            return list(self._all())
        generator = random.Random(seed)
        chosen = {tuple(c.items()): c for c in (self.full, self.smallest)[:limit]}
        while len(chosen) < limit:
            drawn = self.drawn(generator)
            chosen.setdefault(tuple(drawn.items()), drawn)
        return list(chosen.values())

    def _all(self) -> Iterator[Choice]:
        for values in itertools.product(*self.dimensions.values()):
            yield dict(zip(self.dimensions, values, strict=True))

    def drawn(self, generator: random.Random) -> Choice:
        """Returns a random choice, each value with the same probability."""
        return {name: generator.choice(values) for name, values in self.dimensions.items()}

    def blocks_left_out(self, choice: Mapping[str, float]) -> list[str]:
        """Returns the blocks that a complete choice leaves out."""
        gone: list[str] = []
        for name, values in self.dimensions.items():
            if name.startswith("depth."):
                gone += self.members[name][: int(values[-1] - choice[name])]
        return gone

    def text(self, choice: Mapping[str, float]) -> str:
        """Returns a choice in words: `width 0.5/1, depth 2/3, 24 pixels`."""
        complete = self.checked(choice)
        parts = []
        for kind in ("width", "depth"):
            values = [v for name, v in complete.items() if name.startswith(f"{kind}.")]
            if values:
                parts.append(f"{kind} {'/'.join(f'{value:g}' for value in values)}")
        if RESOLUTION in complete:
            parts.append(f"{complete[RESOLUTION]:g} pixels")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Returns the space as JSON, for `from_json`."""
        return {
            "dimensions": {name: list(values) for name, values in self.dimensions.items()},
            "members": {name: list(names) for name, names in self.members.items()},
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ElasticSpace:
        """Returns the space that `to_json` wrote."""
        return ElasticSpace(
            {name: tuple(values) for name, values in value["dimensions"].items()},
            {name: tuple(names) for name, names in value["members"].items()},
        )
