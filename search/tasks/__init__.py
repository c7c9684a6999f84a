"""Tasks by name: what a study's networks are trained and scored for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        "lightning": "paretune.search.tasks.lightning:LightningEntry",
        "transformers": "paretune.search.tasks.transformers:TransformersEntry",
        "ultralytics": "paretune.search.tasks.ultralytics:UltralyticsEntry",
    },
)

CLASSIFICATION = "classification"
"""The task of a study that names none."""


@dataclass(frozen=True)
class TaskChoice:
    """A name in the table of tasks, with its options as JSON."""

    name: str = CLASSIFICATION
    params: Mapping[str, Any] = field(default_factory=dict)


def brings_data(entry: type) -> bool:
    """Returns whether a task has data of its own, so that a study has no section `data`."""
    return bool(getattr(entry, "provides_data", False))
