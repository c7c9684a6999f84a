"""The section `task`, and the network that a task of the user's brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.spec import Selection
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import SpaceReader
from paretune.search.tasks import CLASSIFICATION, TASKS, brings_data

PYTHON = "python"
FACTORY = "factory"


class TaskReader(SectionReader):
    """Reads `task`."""

    def task(self) -> Selection:
        """Reads the section; a study without one is of classification.

        A dotted path is short for {python: {factory: path}}, and {factory: path, args: {...}} for
        {python: {factory: path, args: {...}}}.
        """
        value = self.data.get("task")
        default = Selection(CLASSIFICATION, {"keep": []})
        if value is None:
            return default
        node = SpaceReader(self.problems).option(TASKS, _spelled_out(value), ("task",))
        selection = self.fixed_option(node, ("task",))
        if selection is None:
            return default
        if brings_data(TASKS.get(selection.name)) and "data" in self.data:
            self.problems.add(
                ("data",), f"leave it out: the task {selection.name} brings its own data"
            )
        return selection


def network_of(task: Selection) -> Mapping[str, Any] | None:
    """Returns the architecture of a task that brings a network; None for the others."""
    if not brings_data(TASKS.get(task.name)):
        return None
    from paretune.search.tasks.python import NETWORK, factory_of

    factory, args = factory_of(task.name, task.params)
    return {"python": {"factory": NETWORK, "args": {"factory": factory, "args": dict(args)}}}


def _spelled_out(value: Any) -> Any:
    if isinstance(value, str) and ":" in value:
        return {PYTHON: {FACTORY: value}}
    if isinstance(value, Mapping) and FACTORY in value and not any(map(TASKS.accepts, value)):
        return {PYTHON: dict(value)}
    return value
