"""What each technique of a trial contributed: the trial against the same plan without it. Pure.

If the study has a trial of the plan without the technique, the contribution is the difference of
the two, as `front.changes` computes it. Otherwise it is estimated: a Gaussian process is fitted to
the study's trials, as the sampler fits it, and predicts the difference of the two plans
(`sampling/gaussian_process.py`). A contribution that too few trials show is unknown.

Techniques interact: the contribution of each is that in this trial, beside the trial's other
techniques. So contributions need not add up to the difference from the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from paretune.search.front.changes import Change, changes_of
from paretune.search.sampling.gaussian_process import GaussianProcess
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.views.front_table import ReadTrials
from paretune.search.views.plan_features import PlanFeatures
from paretune.search.views.plan_techniques import Technique, techniques_of

Source: TypeAlias = Literal["measured", "estimated", "unknown"]

LEAST_TRIALS = 10
"""A contribution is estimated if at least this many trials are complete."""

LEAST_EACH = 3
"""And if at least this many of them have the technique, and as many do not."""

MOST_TRIALS = 150
"""Most trials that an estimate uses: those that are most like the two plans."""

MOST_COMPARED = 2000
"""Most trials among which these are looked for: the last ones, which a sampler chose best."""

LEAST_ERROR = 0.003
"""Smaller errors of a fraction count as this one: an accuracy of 1 has no logit."""


@dataclass(frozen=True)
class Contribution:
    """What one technique of a trial contributed.

    Attributes:
        technique: "architecture", "training", "elastic", "pruning", "finetuning",
            "distillation" or "quantization".
        text: The technique in a few words: `pruned 45 %`.
        source: "measured": from the trial of the plan without it; "estimated"; "unknown".
        without: Number of that trial; None if it is not measured.
        effects: Objective -> difference between the trial and the plan without the technique.
        note: How it was estimated, or why it is unknown.
    """

    technique: str
    text: str
    source: Source
    without: int | None = None
    effects: Mapping[str, Change] = field(default_factory=dict)
    note: str = ""


def contributions_of(
    trial: TrialRecord,
    trials: Sequence[TrialRecord],
    axes: Sequence[Axis],
    read: ReadTrials | None = None,
) -> tuple[Contribution, ...]:
    """Returns the contribution of each technique of a complete trial, in order of the plan.

    Args:
        trial: The trial.
        trials: All trials of the study; their plans, states and values suffice if `read` is passed.
        axes: The objectives.
        read: Reads trials by number, with measurements and the results on each example.

    Returns:
        Nothing for the baseline, and for a trial that is not complete.
    """
    baseline = next((t for t in trials if t.number == 0 and t.state == "complete"), None)
    if not trial.measured_now or trial.number == 0 or baseline is None:
        return ()
    complete = [t for t in trials if t.measured_now and t.repeat_of is None]
    techniques = techniques_of(trial, baseline)
    estimate = _Estimate(trial, complete, axes, techniques)
    made = []
    for technique in techniques:
        twin = next((t for t in complete if t.plan == technique.without), None)
        if twin is None:
            made.append(estimate.contribution(technique))
            continue
        new, old = _pair(trial, twin, read)
        effects = changes_of(new, old, axes)
        made.append(Contribution(technique.name, technique.text, "measured", twin.number, effects))
    return tuple(made)


def _pair(
    trial: TrialRecord, twin: TrialRecord, read: ReadTrials | None
) -> tuple[TrialRecord, TrialRecord]:
    """Returns both trials, read again with all of their measurements if that is possible."""
    if read is None:
        return trial, twin
    by_number = {t.number: t for t in read([trial.number, twin.number])}
    return by_number.get(trial.number, trial), by_number.get(twin.number, twin)


class _Estimate:
    """Estimates contributions from the study's trials.

    Args:
        trial: The trial whose techniques are judged.
        trials: The complete trials that repeat no other, with the baseline.
        axes: The objectives.
        techniques: All techniques of the trial.
    """

    def __init__(
        self,
        trial: TrialRecord,
        trials: Sequence[TrialRecord],
        axes: Sequence[Axis],
        techniques: Sequence[Technique],
    ) -> None:
        names = [axis.name for axis in axes]
        self._trial, self._axes, self._techniques = trial, axes, techniques
        measured = [t for t in trials if all(name in t.values for name in names)]
        self._trials = measured[-MOST_COMPARED:]

    def contribution(self, technique: Technique) -> Contribution:
        """Returns the contribution of a technique whose plan without it was not tried."""
        count = len(self._trials)
        having = sum(technique.is_in(t.plan) for t in self._trials)
        if count < LEAST_TRIALS:
            return self._unknown(technique, f"{count} complete trials, {LEAST_TRIALS} are needed")
        for number, words in ((having, "with"), (count - having, "without")):
            if number < LEAST_EACH:
                text = f"{number} of {count} trials are {words} it, {LEAST_EACH} are needed"
                return self._unknown(technique, text)
        nearest, rows, pair = self._features(technique)
        effects = {axis.name: self._effect(axis, nearest, rows, pair) for axis in self._axes}
        note = f"no trial has this plan without it; predicted from {len(nearest)} trials"
        return Contribution(technique.name, technique.text, "estimated", None, effects, note)

    def _unknown(self, technique: Technique, note: str) -> Contribution:
        return Contribution(technique.name, technique.text, "unknown", note=note)

    def _features(self, technique: Technique) -> tuple[list[TrialRecord], np.ndarray, np.ndarray]:
        """Returns the trials that an estimate uses, their features and those of the two plans."""
        rows, pairs = self._encoded
        pair = pairs[[0, 1 + self._techniques.index(technique)]]
        distances = np.abs(rows[:, None] - pair[None]).sum(axis=2).min(axis=1)
        kept = np.sort(np.argsort(distances, kind="stable")[:MOST_TRIALS])
        return [self._trials[index] for index in kept], rows[kept], pair

    @cached_property
    def _encoded(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the trials, and of the trial's plan and its plans without a technique."""
        plans = [self._trial.plan, *(technique.without for technique in self._techniques)]
        rows = PlanFeatures([*(t.plan for t in self._trials), *plans]).rows
        return rows[: len(self._trials)], rows[len(self._trials) :]

    def _effect(
        self, axis: Axis, trials: Sequence[TrialRecord], rows: np.ndarray, pair: np.ndarray
    ) -> Change:
        scale = _Scale(axis, [t.values[axis.name] for t in trials])
        apart, deviation = GaussianProcess.difference(rows, scale.values, pair)
        half = _quantile(len(trials)) * deviation
        ends = (apart - half, apart, apart + half)
        return scale.change(self._trial.values[axis.name], ends)


def _quantile(trials: int) -> float:
    """Returns the 97.5 % quantile of Student's t, within 2 %, for a variance from few trials."""
    degrees = max(trials - 2, 3)
    return 1.96 + 2.4 / degrees + 3.0 / degrees**2


class _Scale:
    """The scale of an objective on which changes of a network add up.

    It is the logarithm of positive costs and scores, the logit of fractions, else the value itself.

    Args:
        axis: The objective.
        values: Its values [T] in the trials.

    Attributes:
        values: The values on the scale [T].
    """

    def __init__(self, axis: Axis, values: Sequence[float]) -> None:
        self._axis = axis
        self._logit = axis.unit == "fraction" and all(0 <= v <= 1 for v in values)
        self._log = not self._logit and axis.unit != "fraction" and all(v > 0 for v in values)
        self.values = np.array([self._to(value) for value in values])

    def change(self, value: float, ends: Sequence[float]) -> Change:
        """Returns the difference of a trial from a plan that lies `ends` below it on the scale.

        Args:
            value: The trial's value.
            ends: Low end, mean and high end of the difference on the scale.
        """
        if self._log:
            sign = -1 if self._axis.better == "lower" else 1
            low, middle, high = sorted(math.exp(min(sign * end, 700.0)) for end in ends)
            return Change("validation", True, middle, low, high)
        position = self._to(value)
        low, middle, high = sorted(
            self._from(position) - self._from(position - end) for end in ends
        )
        return Change("validation", False, middle, low, high)

    def _to(self, value: float) -> float:
        if self._logit:
            share = min(max(value, LEAST_ERROR), 1 - LEAST_ERROR)
            return math.log(share / (1 - share))
        return math.log(value) if self._log else value

    def _from(self, scaled: float) -> float:
        return 1 / (1 + math.exp(-scaled)) if self._logit else scaled
