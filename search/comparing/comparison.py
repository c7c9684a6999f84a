"""Compares studies: fronts, hypervolume on common axes, and what differs beyond noise. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.comparing.best_trials import differences
from paretune.search.comparing.common_axes import common_axes
from paretune.search.comparing.common_scale import CommonScale, Front
from paretune.search.comparing.compared_records import ComparedStudy, ComparedTrial, ComparisonInfo
from paretune.search.comparing.conditions import depends_on_host, different_conditions
from paretune.search.comparing.notes import study_notes, timing_notes
from paretune.search.front.changes import change
from paretune.search.front.pareto import knee, non_dominated, to_losses
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.study.spec import canonical
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.words import cores_text


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
    has_fingerprint = records[0].info.get("fingerprint") is not None
    fronts = [_front(record, axes, same_data and has_fingerprint) for record in records]
    scale = CommonScale(axes, ratio_axes, records, fronts)
    undominated = scale.undominated()
    studies = tuple(
        _study(name, record, front, scale, undominated[index], index)
        for index, (name, record, front) in enumerate(zip(names, records, fronts, strict=True))
    )
    return ComparisonInfo(
        axes,
        ratio_axes,
        studies,
        tuple(differences(studies, axes, ratio_axes)),
        scale.reference,
        tuple(
            [
                *timing_notes(axes, unlike, ratio_axes, same_baseline),
                *study_notes(names, records, axes, same_data and has_fingerprint, scale),
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


def _study(
    name: str,
    record: StudyRecord,
    front: Front,
    scale: CommonScale,
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
            f"{facts.get('cpu', 'unknown')}, {cores_text(facts)}" for facts in hosts.values()
        ),
        "versions": ", ".join(
            f"{name} {versions[name]}" for name in ("paretune", "torch", *names) if name in versions
        ),
    }
    return {name: text for name, text in facts.items() if text}


def _network(record: StudyRecord) -> str:
    """Returns a text that is equal for equal baselines; the study's name without a baseline.

    Where a baseline is deployed does not count.
    """
    base = record.baseline
    if base is None:
        return f"none: {record.name}"
    return canonical([stage for stage in base.plan if stage["kind"] != "deploy"])
