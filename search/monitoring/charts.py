"""Small charts of a log beside its reference, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.monitoring.drift import class_name, quantiles_of

WIDTH, HEIGHT = 320, 96

MARGIN = 6

MOST_CHUNKS = 40

LEAST_CHUNK = 5
"""Least examples behind one point of a line."""

MOST_BARS = 12


@dataclass(frozen=True)
class Line:
    """One statistic over the order of the examples.

    Attributes:
        points: Points of the log's line: medians of neighbouring examples, "x,y x,y".
        top: Upper edge of the reference's band, its 90th percentile.
        bottom: Lower edge, the 10th percentile.
        middle: Height of the reference's median.
        low: Value at the lower end of the chart.
        high: Value at the upper end.
    """

    points: str
    top: float
    bottom: float
    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Bar:
    """The share of one class in the reference and in the log, in per cent."""

    name: str
    reference: float
    value: float


def line_of(sketch: Mapping[str, Any], values: np.ndarray) -> Line | None:
    """Returns the chart of a quantity; None without values.

    Args:
        sketch: The reference.
        values: A number for each example, in order.
    """
    values = values[np.isfinite(values)]
    points = quantiles_of(sketch)
    if not len(values) or not len(points):
        return None
    chunks = np.array_split(values, max(1, min(MOST_CHUNKS, len(values) // LEAST_CHUNK)))
    medians = [float(np.median(chunk)) for chunk in chunks]
    bottom, middle, top = np.quantile(points, [0.1, 0.5, 0.9])
    low, high = min([bottom, *medians]), max([top, *medians])
    span = (high - low) or 1.0
    step = WIDTH / max(1, len(medians) - 1)

    def height(value: float) -> float:
        return float(round(HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2 * MARGIN), 1))

    text = " ".join(f"{round(i * step, 1)},{height(value)}" for i, value in enumerate(medians))
    return Line(text, height(top), height(bottom), height(middle), float(low), float(high))


def bars_of(sketch: Mapping[str, Any], values: np.ndarray, names: Sequence[str]) -> list[Bar]:
    """Returns the shares of the commonest classes, the largest difference first.

    Args:
        sketch: The reference.
        values: The class of each example.
        names: Names of the classes.
    """
    values = values[np.isfinite(values)].astype(int)
    if not len(values) or not sketch["count"]:
        return []
    counts = {int(label): number for label, number in sketch["counts"].items()}
    keys = sorted({*counts, *values.tolist()})
    bars = [
        Bar(
            class_name(key, names),
            100 * counts.get(key, 0) / sketch["count"],
            100 * float((values == key).mean()),
        )
        for key in keys
    ]
    largest = sorted(bars, key=lambda bar: -abs(bar.value - bar.reference))[:MOST_BARS]
    return [bar for bar in bars if bar in largest]
