"""Tasks by name: what a study's networks are trained and scored for."""

from __future__ import annotations

from paretune.spaces.table import Table

TASKS = Table(
    "task",
    {
        "classification": "paretune.search.tasks.classification:ClassificationEntry",
        "multilabel": "paretune.search.tasks.multilabel:MultilabelEntry",
        "regression": "paretune.search.tasks.regression:RegressionEntry",
        "segmentation": "paretune.search.tasks.segmentation:SegmentationEntry",
        "detection": "paretune.search.tasks.detection:DetectionEntry",
        "language_model": "paretune.search.tasks.language_model:LanguageModelEntry",
        "python": "paretune.search.tasks.python:PythonTaskEntry",
    },
)

CLASSIFICATION = "classification"
"""The task of a study that names none."""


def brings_data(entry: type) -> bool:
    """Returns whether a task has data of its own, so that a study has no section `data`."""
    return bool(getattr(entry, "provides_data", False))
