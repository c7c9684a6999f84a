"""The role of a worker: which stages of a trial it runs."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """The kinds of stages that a worker runs.

    A trial that is trained waits in the database for a worker that measures.
    """

    ALL = "all"
    TRAIN = "train"
    MEASURE = "measure"

    @property
    def trains(self) -> bool:
        """Whether it begins trials and trains networks."""
        return self is not Role.MEASURE

    @property
    def measures(self) -> bool:
        """Whether it deploys trained networks and measures them."""
        return self is not Role.TRAIN
