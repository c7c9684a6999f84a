"""Which parameter moves which objective, as the share of variance that it explains.

Parameters of branches exist in some trials only, which most estimators cannot take. The
correlation ratio can: among the trials that have the parameter, the variance between groups of
equal value (numbers: between quantile bins), less what groups of that size show by chance, divided
by the variance over *all* trials (Kelley's epsilon squared, https://doi.org/10.1073/pnas.21.9.554).
It is a main effect on the trials a sampler chose, no proof of cause, and the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.study.records import Axis, StudyRecord

FEWEST = 8
"""Trials below which nothing is said about a parameter."""

BINS = 5
"""Most groups that the values of a number are cut into; each holds at least four trials."""


@dataclass(frozen=True)
class Importance:
    """One parameter.

    Attributes:
        parameter: Its name.
        trials: How many complete trials have it.
        shares: Objective -> share of variance in [0, 1]; objectives that do not vary are left out.
    """

    parameter: str
    trials: int
    shares: Mapping[str, float]


def importance_info(record: StudyRecord) -> tuple[Importance, ...]:
    """Importance of each parameter that varies, the greatest first; pure."""
    trials = [t for t in record.trials if t.number and t.state == "complete" and t.repeats is None]
    effects = {axis.name: _effects(trials, axis) for axis in record.axes}
    names = sorted({name for trial in trials for name in trial.params})
    found = []
    for name in names:
        having = np.array([name in trial.params for trial in trials])
        groups = _groups([trial.params[name] for trial in trials if name in trial.params])
        if having.sum() < FEWEST or len(set(groups)) < 2:
            continue
        shares = {
            objective: share
            for objective, values in effects.items()
            if (share := _share(values, having, groups)) is not None
        }
        found.append(Importance(name, int(having.sum()), shares))
    found.sort(key=lambda i: max(i.shares.values(), default=0.0), reverse=True)
    return tuple(found)


def _effects(trials: Sequence[Any], axis: Axis) -> np.ndarray:
    """Values [N] of an objective; costs as logarithms, since twice as slow is one step anywhere."""
    values = np.array([trial.values[axis.name] for trial in trials], dtype=float)
    return np.log(values) if axis.unit != "fraction" and (values > 0).all() else values


def _groups(values: Sequence[Any]) -> list[Any]:
    """The group each value belongs to: itself, or the quantile bin of a number."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return [str(value) for value in values]
    if len(set(values)) <= BINS:
        return list(values)
    bins = max(2, min(BINS, len(values) // 4))
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return [int(b) for b in np.searchsorted(edges, values, side="right")]


def _share(values: np.ndarray, having: np.ndarray, groups: Sequence[Any]) -> float | None:
    """Share of all the variance [N] that the groups [having] explain; None where there is none."""
    total = float(((values - values.mean()) ** 2).sum())
    ours = values[having]
    if total <= 1e-12 * max(1.0, float((values**2).sum())):
        return None
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    labels = np.array([places[group] for group in groups])
    sizes = np.bincount(labels)
    means = np.bincount(labels, ours) / sizes
    between = float((sizes * (means - ours.mean()) ** 2).sum())
    within = float(((ours - means[labels]) ** 2).sum())
    free = len(ours) - len(sizes)
    if free <= 0:
        return 0.0
    chance = (len(sizes) - 1) * within / free
    return min(1.0, max(0.0, (between - chance) / total))
