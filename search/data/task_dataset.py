"""The batches of a task that brings its own data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paretune.search.data.dataset import PARTS
from paretune.search.data.loader_dataset import LoaderDataset
from paretune.search.data.loader_parts import LoaderParts
from paretune.search.data.loader_sources import PartSource, source_of
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice
from paretune.search.tasks.python import UserTask, factory_of, user_task

NO_TEST = (
    'There is no test part, because the task\'s batches("test") returns None or has no such part. '
    "Give test data of your own."
)


def make_task_dataset(choice: TaskChoice, seen: bool = False) -> LoaderDataset:
    """Returns the data of a user's task, as its `batches(part)` gives it.

    Args:
        choice: The task and its options.
        seen: Whether the study starts from weights that may have seen the training part.

    Raises:
        UserError: The task cannot be made, a part is missing or empty, or batches do not fit.
    """
    task = user_task(*factory_of(choice.name, choice.params))
    name = f"task: {task.name}"
    sources = _sources(name, task)
    parts = LoaderParts(name, sources, dynamic=task.dynamic)
    no_test = None if "test" in sources else NO_TEST
    return LoaderDataset(task.name, parts, task, seen=seen, no_test=no_test)


def _sources(name: str, task: UserTask) -> dict[str, PartSource]:
    sources: dict[str, PartSource] = {}
    for part in PARTS:
        read = _reader(task, part)
        if part == "test" and _is_missing(read):
            continue
        sources[part] = source_of(f"{name}: batches({part!r})", read)
    return sources


def _reader(task: UserTask, part: str) -> Callable[[], Any]:
    return lambda: task.object.batches(part)


def _is_missing(read: Callable[[], Any]) -> bool:
    """Returns whether a task has no test part: it returns None, or knows no such name."""
    try:
        return read() is None
    except (KeyError, NotImplementedError):
        return True
    except UserError:
        raise
    except Exception:
        return False  # the error is raised again, with the name of the part
