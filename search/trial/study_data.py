"""Loads the data of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paretune.search.data import load_data
from paretune.search.data.published_preset import concrete_params
from paretune.search.study.seen_data import seen_weights
from paretune.search.tasks import TASKS, TaskChoice, brings_data

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec


def load_study_data(spec: StudySpec) -> Dataset:
    """Loads the data set that a study with built-in stages names.

    Raises:
        UserError: The data is missing, damaged, or cannot be used.
    """
    seen = bool(seen_weights(spec))
    task = TaskChoice(spec.task.name, spec.task.params)
    return load_data(
        spec.data.name, data_params(spec), spec.file.parent, spec.seed, seen=seen, task=task
    )


def data_params(spec: StudySpec) -> dict[str, Any]:
    """Returns the options of a study's data, with the values that `preset: weights` stands for.

    Raises:
        UserError: The baseline has no published weights.
    """
    if brings_data(TASKS.get(spec.task.name)):
        return {}
    return concrete_params(spec.data.params, spec.baseline.architecture)
