"""A scale on which the fronts of several studies have hypervolumes that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paretune.search.comparing.compared_records import ComparedTrial
from paretune.search.front.pareto import hypervolume, non_dominated, to_losses
from paretune.search.study.records import Axis, StudyRecord, TrialRecord

Front = Sequence[tuple[TrialRecord, ComparedTrial]]


class CommonScale:
    """Losses of all studies on one scale, and their common reference.

    The unit of a cost is the worst baseline among the studies; without baselines, the worst value
    on a front. An axis that is compared by ratios has the study's own baseline as its unit.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        ratio_axes: Sequence[str],
        records: Sequence[StudyRecord],
        fronts: Sequence[Front],
    ) -> None:
        self.axes, self._ratio_axes = axes, ratio_axes
        bases = [r.baseline.values if r.baseline else {} for r in records]
        self._bases = bases
        self.missing = tuple(
            name for name in ratio_axes if any(not base.get(name) for base in bases)
        )
        self._units = {axis.name: self._unit(axis, bases, fronts) for axis in axes}
        classes = {record.info.get("classes") for record in records}
        self._classes = classes.pop() if len(classes) == 1 else None
        self.losses = [
            [self._losses(trial.values, bases[index]) for trial, _ in front]
            for index, front in enumerate(fronts)
        ]

    def _unit(self, axis: Axis, bases: Sequence[Any], fronts: Sequence[Front]) -> float:
        if axis.name in self._ratio_axes:
            return 1.0
        values = [base[axis.name] for base in bases if axis.name in base]
        if len(values) < len(bases):
            values = [trial.values[axis.name] for front in fronts for trial, _ in front]
        return (max if axis.better == "lower" else min)(values, default=1.0)

    def _losses(self, values: Mapping[str, float], base: Mapping[str, float]) -> np.ndarray:
        common = {
            name: value / base[name] if name in self._ratio_axes and base.get(name) else value
            for name, value in values.items()
        }
        return to_losses(common, self.axes, self._units, self._classes)[0]

    @property
    def _corner(self) -> np.ndarray:
        return to_losses(self._units, self.axes, self._units, self._classes)[1]

    @property
    def reference(self) -> dict[str, float]:
        """Objective -> the value up to which the hypervolume counts."""
        values = {}
        for axis, loss in zip(self.axes, self._corner, strict=True):
            unit = self._units[axis.name]
            score = axis.unit == "fraction" and axis.better == "higher"
            worse = loss * unit if axis.better == "lower" else unit / loss if loss else unit
            values[axis.name] = float(1 - loss) if score else float(worse)
        return values

    def hypervolume(self, index: int) -> float | None:
        """Returns the hypervolume of a study's front as a share of the box up to the reference."""
        if self.missing:
            return None
        corner, losses = self._corner, self.losses[index]
        box = abs(float(corner.prod())) or 1.0
        return hypervolume(np.array(losses), corner) / box if losses else 0.0

    def undominated(self) -> list[list[bool]]:
        """Returns for each study which members of its front no trial of another one dominates."""
        rows = [loss for losses in self.losses for loss in losses]
        flat = iter(non_dominated(np.array(rows)).tolist() if rows else [])
        return [[bool(next(flat)) for _ in losses] for losses in self.losses]
