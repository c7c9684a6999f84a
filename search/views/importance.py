"""Parameter importance: the share of an objective's variance that a parameter explains.

A parameter of a branch exists in some trials only, which most estimators cannot handle. The
correlation ratio can. It takes the trials that have the parameter, grouped by its value (numbers:
quantile bins). The variance between the groups, minus that of random groups of the same sizes, is
divided by the variance over *all* trials (Kelley's epsilon squared,
https://doi.org/10.1073/pnas.21.9.554). The result is a main effect on the trials that a sampler
chose, not a proof of cause; the report states this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.study.records import Axis, StudyRecord

LEAST_TRIALS = 8
"""The importance of a parameter is computed if at least this many trials have it."""

BINS = 5
"""Most bins for the values of a number; each holds at least four trials."""


@dataclass(frozen=True)
class Importance:
    """The importance of one parameter.

    Attributes:
        parameter: Parameter name.
        trials: Number of complete trials that have the parameter.
        shares: Objective -> share of variance in [0, 1]; objectives that do not vary are left out.
    """

    parameter: str
    trials: int
    shares: Mapping[str, float]


def importance_info(record: StudyRecord) -> tuple[Importance, ...]:
    """Returns the importance of each parameter that varies, the greatest first; pure."""
    trials = [t for t in record.trials if t.number and t.measured_now and t.repeat_of is None]
    effects = {axis.name: _effects(trials, axis) for axis in record.axes}
    names = sorted({name for trial in trials for name in trial.params})
    entries = []
    for name in names:
        having = np.array([name in trial.params for trial in trials])
        groups = _groups([trial.params[name] for trial in trials if name in trial.params])
        if having.sum() < LEAST_TRIALS or len(set(groups)) < 2:
            continue
        shares = {
            objective: share
            for objective, values in effects.items()
            if (share := _share(values, having, groups)) is not None
        }
        entries.append(Importance(name, int(having.sum()), shares))
    entries.sort(key=lambda i: max(i.shares.values(), default=0.0), reverse=True)
    return tuple(entries)


def _effects(trials: Sequence[Any], axis: Axis) -> np.ndarray:
    """Returns values [N] of an objective; of a cost the logarithms, so that ratios count alike."""
    values = np.array([trial.values[axis.name] for trial in trials], dtype=float)
    return np.log(values) if axis.unit != "fraction" and (values > 0).all() else values


def _groups(values: Sequence[Any]) -> list[Any]:
    """Returns the group of each value: the value itself, or the quantile bin of a number."""
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return [str(value) for value in values]
    if len(set(values)) <= BINS:
        return list(values)
    bins = max(2, min(BINS, len(values) // 4))
    edges = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])
    return [int(b) for b in np.searchsorted(edges, values, side="right")]


def _share(values: np.ndarray, having: np.ndarray, groups: Sequence[Any]) -> float | None:
    """Returns the share of all variance that the groups explain; None without variance.

    Args:
        values: Values of the objective [N].
        having: Which trials have the parameter [N].
        groups: The group of each trial that has it, in order.
    """
    total = float(((values - values.mean()) ** 2).sum())
    present = values[having]
    if total <= 1e-12 * max(1.0, float((values**2).sum())):
        return None
    indices = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    labels = np.array([indices[group] for group in groups])
    sizes = np.bincount(labels)
    means = np.bincount(labels, present) / sizes
    between = float((sizes * (means - present.mean()) ** 2).sum())
    within = float(((present - means[labels]) ** 2).sum())
    degrees = len(present) - len(sizes)
    if degrees <= 0:
        return 0.0
    chance = (len(sizes) - 1) * within / degrees
    return min(1.0, max(0.0, (between - chance) / total))
