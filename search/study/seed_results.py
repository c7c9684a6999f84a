"""Results of training a trial again with other seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from paretune.objectives.base import Measurement
from paretune.search.study.spec import digest

SeedState = Literal["complete", "infeasible", "failed", "fixed"]

FIRST = 0
"""Number of the training that the search made; the repeats are 1, 2, ..."""


@dataclass(frozen=True)
class SeedResult:
    """The result of one training of a trial with another seed.

    Attributes:
        repeat: Number of the training: 1, 2, ...; FIRST for a "fixed" trial.
        state: "infeasible": this training gave no usable network; "failed": a stage raised an
            error; "fixed": the trial trains nothing of its own, so another seed changes nothing.
        validation: Name -> Measurement on the validation part, of what depends on the weights.
        test: The same on the test part; empty without one.
        reason: {"stage", "type", "text"} of an infeasible or failed training.
        seconds: Time that it took.
    """

    repeat: int
    state: SeedState
    validation: Mapping[str, Measurement] = field(default_factory=dict)
    test: Mapping[str, Measurement] = field(default_factory=dict)
    reason: Mapping[str, str] | None = None
    seconds: float = 0.0


def repeat_seed(seed: int, repeat: int) -> int:
    """Returns the seed of a training that is repeated, in [0, 2**32).

    Args:
        seed: The study's seed.
        repeat: Number of the training, from 1.
    """
    return int(digest(["repeat", seed, repeat])[:8], 16)
