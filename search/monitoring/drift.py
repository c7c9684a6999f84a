"""Compares statistics of a log with the reference of an export: two-sample tests.

An alarm needs both: a p-value that remains small after the correction for the number of tests
(Holm 1979), and a difference that is large enough to matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from paretune.search.monitoring.autocorrelation import effective_count

ALPHA = 0.001
"""Chance of a false alarm of one `paretune monitor`, over all its tests, if nothing has changed."""

LEAST_DISTANCE = 0.1
"""Least distance that matters: of two cumulative distributions (Kolmogorov-Smirnov's D), and of the
shares of classes (half the sum of their differences)."""

LEAST_NAN = 0.01
"""Least difference that matters of the share of examples with NaN."""

LEAST_EXAMPLES = 30
"""Least examples in a log, and in a reference, for a test."""

TOLERANCE = 1e-3
"""Part of a statistic's size that another processor's rounding may change."""

LEAST_EXPECTED = 5
"""Least expected examples of a class for the chi-square test; rarer classes count together."""

Level = Literal["ok", "off", "untested"]


@dataclass(frozen=True)
class Drift:
    """The comparison of one statistic with its reference.

    Attributes:
        name: Name of the statistic: "outputs.confidence".
        test: "Kolmogorov-Smirnov", "chi-square", or "Fisher" for the share of examples with NaN.
        level: "off" if p and effect are beyond the thresholds; "untested" with too few examples.
        reference: Median of the reference; share of examples with NaN; None for classes.
        value: The same in the log.
        effect: Distance of the two distributions, or difference of the shares, in [0, 1].
        least: Effect below which there is no alarm.
        p: Probability of such a distance if both came from one distribution.
        corrected: The same, corrected for the number of tests.
        reference_count: Number of examples in the reference.
        count: Number of examples in the log.
        effective: Number of independent examples that tell as much.
        detail: Which classes differ most.
    """

    name: str
    test: str
    level: Level
    reference: float | None
    value: float | None
    effect: float
    least: float
    p: float
    corrected: float
    reference_count: int
    count: int
    effective: float
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields."""
        return asdict(self)


def drifts(
    reference: Mapping[str, Any], statistics: Mapping[str, np.ndarray], names: Sequence[str] = ()
) -> list[Drift]:
    """Returns the comparison of each statistic that both have, in the order of the reference.

    Args:
        reference: Name -> sketch of the export's manifest.
        statistics: Name -> a number for each example [N], in order; NaN where there is none.
        names: Names of the classes.
    """
    rows = []
    for name, sketch in reference.items():
        if name in statistics:
            values = statistics[name]
            values = values[np.isfinite(values)]
            rows.append(_drift(name, sketch, values, names))
    return _decided(rows)


def _drift(name: str, sketch: Mapping[str, Any], values: np.ndarray, names: Sequence[str]) -> Drift:
    enough = min(len(values), sketch["count"]) >= LEAST_EXAMPLES
    if "counts" in sketch:
        row = class_drift(name, sketch, values, names)
    elif name.endswith(".nan"):
        row = nan_drift(name, sketch, values)
    else:
        row = number_drift(name, sketch, values)
    return row if enough else replace(row, level="untested", p=1.0)


def _decided(rows: Sequence[Drift]) -> list[Drift]:
    """Returns the rows with Holm's corrected p-values, and their levels."""
    tested = [row for row in rows if row.level != "untested"]
    corrected = dict(zip((r.name for r in tested), holm([r.p for r in tested]), strict=True))
    decided = []
    for row in rows:
        p = corrected.get(row.name, 1.0)
        is_off = row.level != "untested" and p < ALPHA and row.effect >= row.least
        decided.append(replace(row, corrected=p, level="off" if is_off else row.level))
    return decided


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for their number (Holm 1979), in the same order."""
    order = np.argsort(p_values)
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def number_drift(name: str, sketch: Mapping[str, Any], values: np.ndarray) -> Drift:
    """Compares a quantity by the Kolmogorov-Smirnov test."""
    points = quantiles_of(sketch)
    effective = effective_count(values) if len(values) else 0.0
    distance = ks_distance(points, values, sketch["count"]) if min(len(points), len(values)) else 0
    return Drift(
        name,
        "Kolmogorov-Smirnov",
        "ok",
        float(np.median(points)) if len(points) else None,
        float(np.median(values)) if len(values) else None,
        float(distance),
        LEAST_DISTANCE,
        ks_p_value(float(distance), sketch["count"], effective),
        1.0,
        sketch["count"],
        len(values),
        effective,
    )


def quantiles_of(sketch: Mapping[str, Any]) -> np.ndarray:
    """Returns the numbers that describe the distribution of a statistic, ascending."""
    return np.array([float(number) for number in sketch["quantiles"].split()])


def ks_distance(points: np.ndarray, values: np.ndarray, count: int) -> float:
    """Returns the largest distance of the cumulative distributions of reference and log.

    Numbers that differ by TOLERANCE of the statistic's size count as equal. The error of the
    sketch, half a step between its points, is taken off.

    Args:
        points: Quantiles of the reference at even steps, ascending.
        values: Numbers in the log, not empty.
        count: Number of examples behind the quantiles.
    """
    ordered = np.sort(values)
    slack = TOLERANCE * float(np.abs(points).max())
    at = np.concatenate([ordered, points])
    above = _share_below(ordered, at - slack) - _reference_share(points, at)
    below = _reference_share(points, at) - _share_below(ordered, at + slack)
    step = 0.5 / (len(points) - 1) if count >= len(points) else 0.5 / count
    return float(max(above.max(), below.max(), step) - step)


def _share_below(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns the share of numbers that are at most `at`."""
    return np.asarray(np.searchsorted(ordered, at, side="right") / len(ordered))


def _reference_share(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns the reference's share at most `at`: linear between its quantiles."""
    last = len(points) - 1
    right = np.searchsorted(points, at, side="right")
    left = np.clip(right - 1, 0, last)
    after = np.clip(right, 0, last)
    width = points[after] - points[left]
    part = np.divide(at - points[left], width, out=np.zeros_like(at), where=width > 0)
    return np.where(right == 0, 0.0, np.clip((left + np.clip(part, 0, 1)) / last, 0, 1))


def ks_p_value(distance: float, count: int, other: float) -> float:
    """Returns the p-value of the two-sample Kolmogorov-Smirnov test, from its large-sample form.

    Args:
        distance: Largest distance of the cumulative distributions.
        count: Number of examples of one sample.
        other: Number of examples of the other one; an effective number may have a fraction.
    """
    from scipy.stats import kstwo

    if min(count, other) <= 0:
        return 1.0
    return float(kstwo.sf(distance, max(1, round(count * other / (count + other)))))


def class_drift(
    name: str, sketch: Mapping[str, Any], values: np.ndarray, names: Sequence[str] = ()
) -> Drift:
    """Compares the shares of classes by the chi-square test."""
    expected = {int(label): number for label, number in sketch["counts"].items()}
    labels, seen = np.unique(values.astype(np.int64), return_counts=True)
    actual = dict(zip(labels.tolist(), seen.tolist(), strict=True))
    keys = sorted({*expected, *actual})
    rest = sketch["count"] - sum(expected.values())  # of classes that the sketch does not list
    table = np.array(
        [[expected.get(key, 0) for key in keys], [actual.get(key, 0) for key in keys]], dtype=float
    )
    if rest > 0:
        unlisted = np.array([key not in expected for key in keys])
        other = np.array([[rest], [table[1, unlisted].sum()]])
        table = np.concatenate([table[:, ~unlisted], other], axis=1)
        keys = [*(key for key in keys if key in expected), None]
    effective = _effective_classes(values)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Drift(
        name,
        "chi-square",
        "ok",
        None,
        None,
        distance,
        LEAST_DISTANCE,
        chi_square_p_value(table, effective),
        1.0,
        sketch["count"],
        len(values),
        effective,
        _differing(keys, shares, names),
    )


MOST_ONE_HOT = 20


def _effective_classes(values: np.ndarray) -> float:
    """Returns the effective number of examples of a series of classes: of the commonest ones."""
    labels, counts = np.unique(values, return_counts=True)
    common = labels[np.argsort(-counts)][:MOST_ONE_HOT]
    return effective_count((values[:, None] == common[None]).astype(float)) if len(values) else 0.0


def chi_square_p_value(table: np.ndarray, effective: float) -> float:
    """Returns the p-value that two rows of counts have the same shares.

    Args:
        table: Counts [2, classes].
        effective: Effective number of the examples in the second row.
    """
    from scipy.stats import chi2_contingency

    scaled = table.copy()
    scaled[1] *= effective / max(1.0, scaled[1].sum())
    totals = scaled.sum(axis=1)
    if min(totals) <= 0:
        return 1.0
    least = scaled.sum(axis=0) * min(totals) / totals.sum()
    rare = least < LEAST_EXPECTED
    merged = scaled[:, ~rare]
    if rare.any():
        merged = np.concatenate([merged, scaled[:, rare].sum(axis=1, keepdims=True)], axis=1)
    merged = merged[:, merged.sum(axis=0) > 0]
    if merged.shape[1] < 2:
        return 1.0
    return float(chi2_contingency(merged, correction=False).pvalue)


def _differing(keys: Sequence[int | None], shares: np.ndarray, names: Sequence[str]) -> str:
    """Returns the three classes whose shares differ most, in words."""
    gaps = np.abs(shares[1] - shares[0])
    order = [i for i in np.argsort(-gaps, kind="stable")[:3] if gaps[i] >= 0.01]
    return ", ".join(
        f"{class_name(keys[i], names)} {100 * shares[0, i]:.0f} % -> {100 * shares[1, i]:.0f} %"
        for i in order
    )


def class_name(number: int | None, names: Sequence[str]) -> str:
    """Returns the name of a class, "none" for -1, and "others" for None."""
    if number is None:
        return "others"
    if number < 0:
        return "none"
    return names[number] if number < len(names) else f"class {number}"


def nan_drift(name: str, sketch: Mapping[str, Any], values: np.ndarray) -> Drift:
    """Compares the share of examples with NaN by Fisher's exact test."""
    from scipy.stats import fisher_exact

    points = quantiles_of(sketch)
    before = float((points > 0).mean()) if len(points) else 0.0
    now = float((values > 0).mean()) if len(values) else 0.0
    had, has = round(before * sketch["count"]), int((values > 0).sum())
    table = [[had, sketch["count"] - had], [has, len(values) - has]]
    return Drift(
        name,
        "Fisher",
        "ok",
        before,
        now,
        abs(now - before),
        LEAST_NAN,
        float(fisher_exact(table).pvalue),
        1.0,
        sketch["count"],
        len(values),
        float(len(values)),
    )
