"""Data sets by name, and the function that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.tasks import TASKS, TaskChoice, brings_data
from paretune.spaces.table import Table

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

DATASETS = Table(
    "data set",
    {
        "digits": "paretune.search.data.digits:DigitsData",
        "torchvision": "paretune.search.data.torchvision:TorchvisionData",
        "npz": "paretune.search.data.npz:NpzData",
        "images": "paretune.search.data.images:ImagesData",
        "masks": "paretune.search.data.masks:MasksData",
        "boxes": "paretune.search.data.boxes:BoxesData",
        "table": "paretune.search.data.table:TableData",
        "python": "paretune.search.data.python:PythonData",
        "text": "paretune.search.data.text:TextData",
    },
)


def load_data(
    name: str,
    params: Mapping[str, Any],
    base: Path,
    seed: int = 0,
    *,
    seen: bool = False,
    task: TaskChoice | None = None,
) -> Dataset:
    """Loads a data set with train, validation and test parts.

    Args:
        name: Key of DATASETS; without meaning for a task that brings its own data.
        params: Options of the data set, as JSON.
        base: Folder of the study file; relative paths start there.
        seed: Seed of the split, for parts that are split off another part.
        seen: Whether the study starts from weights that may have been trained on the training part
            (`study.seen_data.seen_weights`). Then no part of it is called test.
        task: The task and its options; None for classification.

    Raises:
        UserError: The data is missing, damaged, or does not fit the task.
    """
    from paretune.search.data.making import Loading

    choice = task or TaskChoice()
    entry = TASKS.get(choice.name)
    if brings_data(entry):
        from paretune.search.data.task_dataset import make_task_dataset

        return make_task_dataset(choice, seen)
    return Loading(name, params, base, seed, seen, choice).dataset()
