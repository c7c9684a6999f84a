"""Accuracy of the artifact in its runtime."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from objectives.base import Better, Measurement, Subject, Unmeasurable
from objectives.params import Params as Base

BATCH = 256

Z95 = 1.959964
"""The normal distribution's 97.5 % quantile."""


class Accuracy:
    """Share of examples whose class is right (top-1), with its 95 % interval."""

    name = "accuracy"
    unit = "fraction"
    better: Better = "higher"
    cost = 3

    class Params(Base):
        """Options of accuracy."""

        statistic: Literal["top1"] = Field("top1", description="the largest logit is right")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact over a part with all cores.

        Raises:
            Unmeasurable: The part has no examples.
        """
        session = subject.runtime.load(subject.artifact.path, subject.options, threads=0)
        right = seen = 0
        for inputs, labels in subject.data.arrays(part, BATCH):
            right += int((session(inputs).argmax(axis=1) == labels).sum())
            seen += len(labels)
        if not seen:
            raise Unmeasurable(f"the {part} part has no examples")
        low, high = wilson(right, seen)
        return Measurement(
            Accuracy.name,
            right / seen,
            Accuracy.unit,
            Accuracy.better,
            low,
            high,
            seen,
            {"part": part, "statistic": params.statistic, "runtime": subject.runtime.name},
        )


def wilson(right: int, seen: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a binomial proportion (Wilson 1927, JASA 22, 209-212)."""
    share = right / seen
    scale = 1 + z * z / seen
    middle = (share + z * z / (2 * seen)) / scale
    half = z * math.sqrt(share * (1 - share) / seen + z * z / (4 * seen * seen)) / scale
    return min(max(0.0, middle - half), share), max(min(1.0, middle + half), share)
