"""The options of an elastic network: what its subnets may differ in."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from paretune.spaces.params import Params
from paretune.spaces.pruning.criteria import Criterion

Share = Annotated[float, Field(gt=0, le=1)]
Side = Annotated[int, Field(ge=4, le=1024)]

STEP = 0.125
"""Distance of the widths in a range, as a share of the channels."""


class ElasticDepth(Params):
    """Options of the depth: which residual blocks a subnet may leave out."""

    least: float = Field(
        0.5, gt=0, le=1, description="smallest share of the residual blocks that stays"
    )
    criterion: Literal["similarity", "loss", "last"] = Field(
        "similarity",
        description="blocks to leave out first: those that change their input least (similarity), "
        "those that the loss needs least (loss), or the last ones (last)",
    )
    ignore: list[str] = Field([], description="names of blocks that always stay")


class ElasticSpec(Params):
    """Options of an elastic network."""

    width: Annotated[list[Share], Field(min_length=2, max_length=32)] | None = Field(
        [0.25, 1.0],
        description="share of the channels and attention heads that a subnet keeps: two values are "
        "the ends of a range in steps of 1/8, more values are the shares; the last one is 1",
    )
    depth: ElasticDepth | None = Field(
        None, description="residual blocks that a subnet may leave out; default: none"
    )
    resolution: list[Side] = Field(
        [],
        max_length=32,
        description="shorter sides, in pixels, to which a subnet may resize its images",
    )
    groups: int = Field(
        4,
        ge=1,
        le=64,
        description="largest number of widths, and of depths: parts of the network in its order",
    )
    round_to: int = Field(
        4, ge=1, le=1024, description="a narrower layer keeps a multiple of this many channels"
    )
    criterion: Criterion = Field(
        "magnitude", description="importance of a channel; narrow subnets keep the most important"
    )
    images: int = Field(
        256, ge=1, le=1_000_000, description="training images for measured importances"
    )
    ignore: list[str] = Field([], description="names of modules that keep all channels")
    random: int = Field(
        2,
        ge=0,
        le=16,
        description="random subnets in each training step, beside the largest and the smallest",
    )

    @model_validator(mode="after")
    def _is_elastic(self) -> ElasticSpec:
        if self.width is not None:
            _check_ascending("width", self.width)
            if self.width[-1] != 1:
                raise ValueError(
                    "width must end with 1, the full network that the subnets learn from; got "
                    f"{self.width[-1]:g}"
                )
        _check_ascending("resolution", self.resolution)
        if self.width is None and self.depth is None and not self.resolution:
            raise ValueError(
                "an elastic network needs something that its subnets differ in: give width, depth "
                "or resolution"
            )
        return self

    @property
    def widths(self) -> list[float]:
        """Shares of the channels that a subnet may keep, ascending; 1 is the last one."""
        if self.width is None:
            return [1.0]
        if len(self.width) > 2:
            return list(self.width)
        low = self.width[0]
        steps = int((1 - low) / STEP - 1e-9)
        return [low, *(1 - STEP * step for step in range(steps, -1, -1))]


def _check_ascending(name: str, values: list[float] | list[int]) -> None:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise ValueError(f"{name} must ascend without repeats; got {values}")
