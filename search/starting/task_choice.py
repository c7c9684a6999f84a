"""Tells the task of a study by its goals, its network and its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.preflight.preflight import loaded
from paretune.search.starting.draft import Draft
from paretune.search.starting.image_size import with_image_size
from paretune.search.starting.request import InitRequest
from paretune.search.study.constraints import quantity_name
from paretune.search.study.quantity import Quantity
from paretune.search.tasks import CLASSIFICATION, TASKS, brings_data
from paretune.spaces.architecture import ARCHITECTURES

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

BY_OUTPUTS = {"pixel": "segmentation", "cell": "detection", "position": "language_model"}
"""What has one vector of a family's outputs -> the task that needs it."""

BY_DATA = {"masks": "segmentation", "boxes": "detection"}
"""Data set -> the only task that its targets fit."""

SEVERAL: Mapping[str, tuple[str, ...]] = {
    "table": (CLASSIFICATION, "multilabel", "regression"),
    "npz": (CLASSIFICATION, "multilabel", "regression", "segmentation"),
    "python": (CLASSIFICATION, "multilabel", "regression", "segmentation", "language_model"),
    "text": (CLASSIFICATION, "language_model"),
}
"""Data set -> tasks that its targets may fit; the first that the data fits is taken."""


def started(request: InitRequest) -> tuple[Draft, Dataset]:
    """Returns the draft of a study, and its data.

    Raises:
        UserError: An option is wrong, or the data cannot be loaded for any task.
    """
    first: UserError | None = None
    for task in _candidates(request):
        try:
            draft = Draft.of(request, task)
            if task is None and not request.brings_data:
                draft.source.pop("task", None)
            draft.source |= with_image_size(draft.source, request.folder)
            spec = draft.check()
            return draft, loaded(spec, draft.document().where)
        except UserError as error:
            first = first or error
    assert first is not None, "there is at least one candidate"
    raise first


def _candidates(request: InitRequest) -> list[Any]:
    """Returns the tasks to try in order, as a study file has them; None for classification."""
    if request.task is not None:
        task = request.task_option()
        return [None if task == CLASSIFICATION else task]
    data = _name(request.data_option())
    chosen = _by_goals(request) or _by_network(request) or BY_DATA.get(data)
    tasks = [chosen] if chosen else SEVERAL.get(data, (CLASSIFICATION,))
    return [None if task == CLASSIFICATION else task for task in tasks]


def _by_goals(request: InitRequest) -> str | None:
    """Returns the only task that has the scores in the goals."""
    names = {Quantity.of(quantity_name(text) or "").local for text in request.goals}
    if any(name.partition(".")[0] == "accuracy" for name in names):
        return CLASSIFICATION
    tasks = [name for name in TASKS.names if names & _metrics(name)]
    return tasks[0] if len(tasks) == 1 else None


def _metrics(task: str) -> set[str]:
    entry = TASKS.get(task)
    return set() if brings_data(entry) else set(entry.metrics)


def _by_network(request: InitRequest) -> str | None:
    """Returns the task that a family's outputs are for; None for one vector of an example."""
    name = _name(request.model_option())
    if not ARCHITECTURES.accepts(name):
        return None
    return BY_OUTPUTS.get(getattr(ARCHITECTURES.get(name), "gives", "example"))


def _name(option: Any) -> str:
    """Returns the name of an option of a study file."""
    if isinstance(option, Mapping):
        return str(next(iter(option), ""))
    return str(option)
