"""Checks that architectures and augmentation fit the task and the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from paretune.inputs import Kind
from paretune.search.data import DATASETS
from paretune.search.study.spec import Selection
from paretune.search.study_file.problems import Key, Problems
from paretune.search.tasks import TASKS, brings_data
from paretune.spaces.architecture import gives, output_refusal, refusal, takes
from paretune.spaces.domains import Choice, Fixed, Node, Record
from paretune.spaces.training.recipe import Augment
from paretune.task import Per

NO_AUGMENTATION = Augment().model_dump()


def check_kinds(problems: Problems, task: Selection, data: str, parts: Mapping[Key, Node]) -> None:
    """Notes architectures that take other inputs than the data, or give other outputs than needed.

    Augmentation is noted where it has no meaning.

    Args:
        problems: Collects the mistakes.
        task: The study's task.
        data: Name of the data set.
        parts: The trees of architectures and recipes by their key in the study file.
    """
    entry = TASKS.get(task.name)
    kind = None if brings_data(entry) else kind_held(data)
    for key, node in parts.items():
        if key[-1] == "architecture":
            for name in dict.fromkeys(option_names(node)):
                _check_architecture(problems, key, name, kind, entry.per)
        elif not _plain(node):
            _check_augmentation(problems, (*key, "augment"), kind, brings_data(entry))


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


def _check_augmentation(problems: Problems, key: Key, kind: Kind | None, own: bool) -> None:
    if kind == "text":
        problems.add(key, "changes images, but the data is text; leave augment out")
    elif own:
        problems.add(
            key, "changes images of a data set; a task with its own batches augments them itself"
        )


def option_names(node: Node) -> Iterator[str]:
    """Yields the names of the options that a tree of {name: parameters} can lead to."""
    match node:
        case Record(fields):
            yield from (name for name, _ in fields)
        case Choice(options):
            for _, child in options:
                yield from option_names(child)
        case Fixed(value) if isinstance(value, Mapping):
            yield from map(str, value)


def _plain(recipe: Node) -> bool:
    """Returns whether a recipe's tree has no augmentation."""
    match recipe:
        case Record(fields):
            return _unchanged(dict(fields).get("augment", Fixed(NO_AUGMENTATION)))
        case Fixed(value) if isinstance(value, Mapping):
            return _unchanged(Fixed(value.get("augment", NO_AUGMENTATION)))
        case _:
            return True


def _unchanged(augment: Node) -> bool:
    def default(name: str, child: Any) -> bool:
        return bool(child == Fixed(NO_AUGMENTATION.get(name)))

    match augment:
        case Record(fields):
            return all(default(name, child) for name, child in fields)
        case _:
            return augment == Fixed(NO_AUGMENTATION)
