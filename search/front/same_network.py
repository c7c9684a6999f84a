"""Trials of the baseline's own network: what training and quantization alone give. Pure.

A candidate that was trained longer or with augmentation beats a baseline that was not, even if
nothing compressed it. So the final session measures two kinds of trials that show this part of a
gain: the baseline's network trained as the candidates are, and the same in each number format. They
are chosen by the score on the validation part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paretune.search.study.records import Axis, StudyRecord, TrialRecord

MOST_FORMATS = 3
"""Most number formats of which a trial is measured again."""

KEPT_STAGES = {"pretrain", "finetune", "quantize", "deploy"}
"""Stages that leave the layers of a network and their sizes as they are."""

FLOAT = ""
"""The number format of a trial without quantization."""


def same_network_trials(
    trials: Iterable[TrialRecord], baseline: TrialRecord | None, axes: Sequence[Axis]
) -> dict[str, TrialRecord]:
    """Returns number format -> the trial of the baseline's network with the best score.

    The first is that without quantization, under FLOAT, if there is one.

    Args:
        trials: Trials of a study.
        baseline: The baseline; None gives no trials.
        axes: The objectives.
    """
    score = next((axis for axis in axes if axis.is_score), None)
    if baseline is None or score is None or not _network(baseline):
        return {}
    best: dict[str, TrialRecord] = {}
    for trial in trials:
        if not _is_candidate(trial) or _network(trial) != _network(baseline):
            continue
        name = number_format(trial)
        if name not in best or _is_better(trial, best[name], score):
            best[name] = trial
    formats = sorted(name for name in best if name != FLOAT)
    kept = [*([FLOAT] if FLOAT in best else []), *formats[:MOST_FORMATS]]
    return {name: best[name] for name in kept}


def same_network_numbers(record: StudyRecord) -> frozenset[int]:
    """Returns the numbers of the trials above, of a record that holds all trials."""
    chosen = same_network_trials(record.trials, record.baseline, record.axes)
    return frozenset(trial.number for trial in chosen.values())


def number_format(trial: TrialRecord) -> str:
    """Returns the name of a trial's quantization; FLOAT without one."""
    for stage in trial.plan:
        if stage["kind"] == "quantize":
            return str(next(iter(stage["params"]["quantization"])))
    return FLOAT


def _is_candidate(trial: TrialRecord) -> bool:
    return trial.number > 0 and trial.repeat_of is None and trial.measured_now


def _network(trial: TrialRecord) -> Mapping[str, Any] | None:
    """Returns the architecture of a network that no stage changes; None for any other."""
    if not {stage["kind"] for stage in trial.plan} <= KEPT_STAGES:
        return None
    for stage in trial.plan:
        if stage["kind"] == "pretrain":
            architecture: Mapping[str, Any] | None = stage["params"].get("architecture")
            return architecture
    return None


def _is_better(trial: TrialRecord, other: TrialRecord, score: Axis) -> bool:
    sign = 1 if score.better == "higher" else -1
    return sign * trial.values[score.name] > sign * other.values[score.name]
