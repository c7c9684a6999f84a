"""Compares studies: fronts, hypervolume on common axes, and what differs beyond noise. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement, json_of
from paretune.search.comparing.common_axes import common_axes
from paretune.search.comparing.conditions import depends_on_host, different_conditions
from paretune.search.front.changes import Change, change
from paretune.search.front.pareto import hypervolume, knee, non_dominated, to_losses
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.study.spec import canonical
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.words import and_text


@dataclass(frozen=True)
class ComparedStudy:
    """A study in the comparison.

    Attributes:
        name: How it is called here.
        trials: Number of its trials.
        facts: What it ran on: name of a fact -> value.
        baseline: The baseline's measurements, by objective; empty without a baseline.
        front: The members of its front on the common axes.
        hypervolume: Of this front, as a share of the box up to the common reference; None if a
            value is missing.
        best: Objective -> number of the front's best trial.
        knee: Number of the front's best compromise; None if the front is empty.
    """

    name: str
    trials: int
    facts: Mapping[str, str]
    baseline: Mapping[str, Measurement]
    front: tuple[ComparedTrial, ...]
    hypervolume: float | None
    best: Mapping[str, int]
    knee: int | None


@dataclass(frozen=True)
class ComparedTrial:
    """A member of a front.

    Attributes:
        number: Trial number; 0 is the baseline.
        plan: The plan in a few words.
        measured: Objective -> measurement on the validation part, final where there is one.
        test: Objective -> measurement on the test part.
        ratios: Objective -> how many times better than the study's own baseline, with its interval.
        undominated: Whether no trial of another study is better in every compared value.
    """

    number: int
    plan: str
    measured: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    ratios: Mapping[str, Change]
    undominated: bool = True


@dataclass(frozen=True)
class Difference:
    """Two studies under one objective: their best trials by it.

    Attributes:
        objective: The objective.
        studies: Names of the two.
        trials: Numbers of their best trials.
        part: Part of the data: "validation" or "test".
        of_ratios: Whether the ratios to the own baselines are compared, not the values.
        change: The first study's trial relative to the second's; None if it cannot be compared.
        paired: Whether both were scored on the same examples, one by one.
        better: Name of the study that is better beyond noise; None if neither is.
    """

    objective: str
    studies: tuple[str, str]
    trials: tuple[int, int]
    part: str
    of_ratios: bool
    change: Change | None
    paired: bool
    better: str | None


@dataclass(frozen=True)
class ComparisonInfo:
    """Studies beside each other.

    Attributes:
        axes: The objectives that all of them have.
        ratio_axes: Those of them that are compared by their ratios to the own baselines.
        studies: The studies, in the order of the command.
        differences: For each pair of studies and each objective.
        reference: Objective -> the value up to which the hypervolume counts; of a ratio axis, how
            many times the own baseline.
        notes: Sentences on what is not alike.
    """

    axes: tuple[Axis, ...]
    ratio_axes: tuple[str, ...]
    studies: tuple[ComparedStudy, ...]
    differences: tuple[Difference, ...]
    reference: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return json_of(self)


def compare_studies(names: Sequence[str], records: Sequence[StudyRecord]) -> ComparisonInfo:
    """Compares studies.

    Args:
        names: How each is called; all different.
        records: The studies, with their final fronts.

    Raises:
        UserError: They share fewer than two objectives, or one has another unit or direction.
    """
    axes = common_axes(names, records)
    unlike = {axis.name: different_conditions(axis, records) for axis in axes}
    same_baseline = len({_network(record) for record in records}) == 1
    ratio_axes = tuple(
        axis.name for axis in axes if unlike[axis.name] or (depends_on_host(axis) and same_baseline)
    )
    same_data = len({record.info.get("fingerprint") for record in records}) == 1
    known = records[0].info.get("fingerprint") is not None
    fronts = [_front(record, axes, same_data and known) for record in records]
    scale = _CommonScale(axes, ratio_axes, records, fronts)
    undominated = scale.undominated()
    studies = tuple(
        _study(name, record, front, scale, undominated[index], index)
        for index, (name, record, front) in enumerate(zip(names, records, fronts, strict=True))
    )
    return ComparisonInfo(
        axes,
        ratio_axes,
        studies,
        tuple(_differences(studies, axes, ratio_axes)),
        scale.reference,
        tuple(
            [
                *_timing_notes(axes, unlike, ratio_axes, same_baseline),
                *_notes(names, records, axes, same_data and known, scale),
            ]
        ),
    )


def _front(
    record: StudyRecord, axes: Sequence[Axis], same_data: bool
) -> list[tuple[TrialRecord, ComparedTrial]]:
    """Returns the front on the common axes, best by the first one first."""
    members = [t for t in record.front if all(a.name in t.values for a in axes)]
    losses = [to_losses(t.values, axes, None, None)[0] for t in members]
    on_front = non_dominated(np.array(losses)) if members else ()
    kept = [trial for trial, on in zip(members, on_front, strict=True) if on]
    sign = -1 if axes[0].better == "higher" else 1
    kept.sort(key=lambda trial: sign * trial.values[axes[0].name])
    return [(trial, _compared(trial, record, axes, same_data)) for trial in kept]


def _compared(
    trial: TrialRecord, record: StudyRecord, axes: Sequence[Axis], same_data: bool
) -> ComparedTrial:
    names = [axis.name for axis in axes]
    base = record.baseline
    ratios = {}
    for axis in axes:
        old = base.measurements.get(axis.name) if base else None
        if old is not None and not axis.is_score:
            ratio = change(trial.measurements[axis.name], old)
            if ratio.relative:
                ratios[axis.name] = ratio

    def kept(measured: Mapping[str, Measurement]) -> dict[str, Measurement]:
        # Results on each example pair only with those of the same data.
        return {
            name: m if same_data else replace(m, per_example=None)
            for name, m in measured.items()
            if name in names
        }

    return ComparedTrial(
        trial.number, trial_plan_text(trial), kept(trial.measurements), kept(trial.test), ratios
    )


Front = Sequence[tuple[TrialRecord, ComparedTrial]]


class _CommonScale:
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


def _study(
    name: str,
    record: StudyRecord,
    front: Front,
    scale: _CommonScale,
    undominated: Sequence[bool],
    index: int,
) -> ComparedStudy:
    axes = scale.axes
    trials = tuple(
        replace(compared, undominated=on and not scale.missing)
        for (_, compared), on in zip(front, undominated, strict=True)
    )
    best = {}
    for axis in axes if front else ():
        sign = 1 if axis.better == "lower" else -1
        best[axis.name] = min(front, key=lambda pair: sign * pair[0].values[axis.name])[0].number
    return ComparedStudy(
        name,
        record.trial_count,
        _facts(record),
        {
            axis.name: replace(record.baseline.measurements[axis.name], per_example=None)
            for axis in axes
            if record.baseline and axis.name in record.baseline.measurements
        },
        trials,
        scale.hypervolume(index),
        best,
        trials[knee(np.array(scale.losses[index]))].number if trials else None,
    )


def _facts(record: StudyRecord) -> dict[str, str]:
    """Returns what tells a study from another one."""
    data = record.info.get("data") or {}
    hosts = record.info.get("hosts") or {}
    versions = record.info.get("versions") or {}
    plans = [trial.plan for trial in record.trials if trial.plan]
    deploy: Mapping[str, Any] = (
        next((s["params"] for s in plans[0] if s["kind"] == "deploy"), {}) if plans else {}
    )
    runtimes = deploy.get("targets") or {"": deploy.get("runtime") or {}}
    names = [
        f"{target}: {name}" if target else name for target, r in runtimes.items() for name in r
    ]
    facts = {
        "data": str(data.get("name") or ""),
        "runtime": ", ".join(names),
        "host": " and ".join(
            f"{facts.get('cpu', 'unknown')}, {facts.get('cores', '?')} cores"
            for facts in hosts.values()
        ),
        "versions": ", ".join(
            f"{name} {versions[name]}" for name in ("paretune", "torch", *names) if name in versions
        ),
    }
    return {name: text for name, text in facts.items() if text}


def _differences(
    studies: Sequence[ComparedStudy], axes: Sequence[Axis], ratio_axes: Sequence[str]
) -> list[Difference]:
    return [
        _difference(first, second, axis, axis.name in ratio_axes)
        for first, second in combinations(studies, 2)
        if first.front and second.front
        for axis in axes
    ]


def _difference(
    first: ComparedStudy, second: ComparedStudy, axis: Axis, of_ratios: bool
) -> Difference:
    name = axis.name
    a, b = (
        next(trial for trial in study.front if trial.number == study.best[name])
        for study in (first, second)
    )
    part = "test" if name in a.test and name in b.test else "validation"
    compared: Change | None = None
    if not of_ratios:
        new, old = ((t.test if part == "test" else t.measured)[name] for t in (a, b))
        compared = change(new, old, part)
    elif name in a.ratios and name in b.ratios:
        compared = _ratio_change(a.ratios[name], b.ratios[name])
    better = None
    if compared is not None and compared.beyond_noise:
        ahead = compared.value > 1 if compared.relative else compared.value > 0
        if not compared.relative and axis.better == "lower":
            ahead = not ahead
        better = (first if ahead else second).name
    return Difference(
        name,
        (first.name, second.name),
        (a.number, b.number),
        part,
        of_ratios,
        compared,
        compared is not None and compared.paired,
        better,
    )


def _ratio_change(a: Change, b: Change) -> Change:
    """Returns how many times better a ratio to a baseline is than another one, to its own.

    The errors of the two ratios are independent: they come from two sessions.
    """
    value = math.log(a.value) - math.log(b.value)

    def distance(first: float, second: float, third: float, fourth: float) -> float:
        return math.hypot(math.log(first / second), math.log(third / fourth))

    low = value - distance(a.value, a.low, b.high, b.value)
    high = value + distance(a.high, a.value, b.value, b.low)
    return Change("validation", True, math.exp(value), math.exp(low), math.exp(high))


def _network(record: StudyRecord) -> str:
    """Returns a text that is equal for equal baselines; the study's name without a baseline.

    Where a baseline is deployed does not count.
    """
    base = record.baseline
    if base is None:
        return f"none: {record.name}"
    return canonical([stage for stage in base.plan if stage["kind"] != "deploy"])


def _timing_notes(
    axes: Sequence[Axis],
    unlike: Mapping[str, Mapping[str, tuple[str, ...]]],
    ratio_axes: Sequence[str],
    same_baseline: bool,
) -> list[str]:
    """Returns sentences on quantities that depend on the machine."""
    notes = []
    for axis, conditions in unlike.items():
        if conditions:
            what = "; ".join(f"{key}: {' / '.join(texts)}" for key, texts in conditions.items())
            others = "" if same_baseline else "; the baselines are different networks"
            notes.append(
                f"{axis} was not measured alike ({what}): its values are shown side by side, and "
                f"only the ratios to the own baselines are compared{others}"
            )
    alike = [axis.name for axis in axes if depends_on_host(axis) and not unlike[axis.name]]
    by_ratio = [name for name in alike if name in ratio_axes]
    if by_ratio:
        notes.append(
            f"{and_text(by_ratio)}: compared by the ratio to the baseline, which is the same "
            "network in all studies; so what the machine drifted between the sessions cancels"
        )
    absolute = [name for name in alike if name not in ratio_axes]
    if absolute:
        notes.append(
            f"{and_text(absolute)}: measured in different sessions; the machine may have drifted "
            "between them by more than the intervals say"
        )
    return notes


def _notes(
    names: Sequence[str],
    records: Sequence[StudyRecord],
    axes: Sequence[Axis],
    same_data: bool,
    scale: _CommonScale,
) -> list[str]:
    """Returns sentences on data, constraints and objectives that differ."""
    notes = []
    for name in scale.missing:
        notes.append(f"{name}: a study has no baseline to compare with, so there is no hypervolume")
    if not same_data:
        scores = [axis.name for axis in axes if axis.is_score]
        notes.append(
            f"the studies have other data, or other splits of it: {and_text(scores or ['scores'])} "
            "come from different examples, and are not paired"
        )
    if len({tuple(sorted(_texts(record))) for record in records}) > 1:
        notes.append("the studies have different constraints; each front obeys its own")
    dropped = {
        name: [a.name for a in record.axes if a.name not in {axis.name for axis in axes}]
        for name, record in zip(names, records, strict=True)
    }
    notes += [
        f"{name} also has {', '.join(others)}, which the others lack: not compared"
        for name, others in dropped.items()
        if others
    ]
    notes += [
        f"{name} has no trial on its front yet"
        for name, record in zip(names, records, strict=True)
        if not record.front
    ]
    return notes


def _texts(record: StudyRecord) -> list[str]:
    return list(map(str, record.source.get("constraints") or ()))
