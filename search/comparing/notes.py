"""Sentences on what is not alike in studies that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretune.search.comparing.common_scale import CommonScale
from paretune.search.comparing.conditions import depends_on_host
from paretune.search.study.records import Axis, StudyRecord
from paretune.search.views.words import and_text


def timing_notes(
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


def study_notes(
    names: Sequence[str],
    records: Sequence[StudyRecord],
    axes: Sequence[Axis],
    same_data: bool,
    scale: CommonScale,
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
