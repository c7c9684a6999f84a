"""Checks that architectures and augmentation fit the task and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from paretune.inputs import Kind
from paretune.search.data import DATASETS
from paretune.search.study.spec import Selection
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.recipe_fit import check_recipe, check_targets
from paretune.search.tasks import TASKS, brings_data
from paretune.spaces.architecture import gives, output_refusal, refusal, takes
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.domains import Node
from paretune.task import Per


def check_kinds(problems: Problems, task: Selection, data: str, parts: Mapping[Key, Node]) -> None:
    """Notes architectures that take other inputs than the data, or give other outputs than needed.

    Augmentation and losses are noted where they have no meaning.

    Args:
        problems: Collects the mistakes.
        task: The study's task.
        data: Name of the data set.
        parts: The trees of architectures, recipes and distillations by their key in the study file.
    """
    entry = TASKS.get(task.name)
    kind = None if brings_data(entry) else kind_held(data)
    for key, node in parts.items():
        if key[-1] == "architecture":
            for name in dict.fromkeys(option_names(node)):
                _check_architecture(problems, key, name, kind, entry.per)
        elif key[-1] == "distillation":
            check_targets(problems, key, node, DISTILLATIONS, entry)
        else:
            check_recipe(problems, key, node, kind, entry)


def kind_held(data: str) -> Kind | None:
    """Returns what a data set holds (class attribute `holds`); None if only the files tell it."""
    held: Kind | Literal["any"] = getattr(DATASETS.get(data), "holds", "images")
    return None if held == "any" else held


def _check_architecture(
    problems: Problems, key: Key, name: str, kind: Kind | None, per: Per
) -> None:
    if kind is not None and not takes(name, kind):
        problems.add(key, refusal(name, kind))
    elif not gives(name, per):
        problems.add(key, output_refusal(name, per))
