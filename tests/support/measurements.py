"""Made-up measurements: accuracies by their examples, latencies by their sessions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from paretune.objectives.base import Measurement
from paretune.objectives.classification_scores import wilson
from paretune.objectives.example_results import ExampleResults


def accuracy(right: int, seen: int) -> Measurement:
    """Returns an accuracy without results on each example."""
    low, high = wilson(right, seen)
    return Measurement("accuracy", right / seen, "fraction", "higher", low, high, seen)


def paired_accuracy(correct: Sequence[bool] | np.ndarray, examples: str = "test") -> Measurement:
    """Returns an accuracy with its results: whether each example is correct."""
    bits = np.asarray(correct, dtype=bool)
    plain = accuracy(int(bits.sum()), len(bits))
    return Measurement(
        *(getattr(plain, name) for name in ("name", "value", "unit", "better", "low", "high")),
        count=len(bits),
        per_example=ExampleResults.of_correct(bits, examples),
    )


def latency(value: float, percent: float, levels: list[float] | None = None) -> Measurement:
    """Returns a latency with a half width in percent, and its levels in a session."""
    factor = math.exp(percent / 100)
    session = {"session": {"id": "one", "log_levels": levels}} if levels else {}
    low, high = value / factor, value * factor
    return Measurement("latency", value, "ms", "lower", low, high, 9, session)
