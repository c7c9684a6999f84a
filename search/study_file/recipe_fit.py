"""Checks that the recipes and distillations of a study fit its task and its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.inputs import Kind
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Key, Problems
from paretune.search.tasks import brings_data
from paretune.spaces.domains import Fixed, Node, Record
from paretune.spaces.table import Table
from paretune.spaces.training.augment_fit import CHANGES, augmentation_refusal
from paretune.spaces.training.losses import LOSSES
from paretune.spaces.training.losses.base import SCORED, misfit
from paretune.spaces.training.recipe import Augment

NO_AUGMENTATION = Augment().model_dump()


def check_recipe(problems: Problems, key: Key, recipe: Node, kind: Kind | None, entry: Any) -> None:
    """Notes augmentation and losses that do not fit.

    Args:
        problems: Collects the mistakes.
        key: Key of the recipe.
        recipe: Its tree.
        kind: Kind of the inputs; None if only the files tell it.
        entry: The task's entry in the table of tasks.
    """
    fields = _fields(recipe)
    _check_augmentation(problems, (*key, "augment"), fields, kind, entry)
    loss = fields.get("loss")
    if loss is not None:
        check_targets(problems, (*key, "loss"), loss, LOSSES, entry)
        return
    smoothed = fields.get("label_smoothing", Fixed(0.0)) != Fixed(0.0)
    if smoothed and not brings_data(entry) and entry.targets not in SCORED:
        problems.add(
            (*key, "label_smoothing"),
            "changes the cross-entropy, which is not the loss of this task; leave it out",
        )


def check_targets(problems: Problems, key: Key, node: Node, table: Table, entry: Any) -> None:
    """Notes options that need other targets than the task has.

    Args:
        problems: Collects the mistakes.
        key: Key of the option.
        node: Its tree.
        table: Losses or distillations; an entry's `targets` are the kinds that it fits.
        entry: The task's entry in the table of tasks.
    """
    kind = None if brings_data(entry) else entry.targets
    for name in dict.fromkeys(option_names(node)):
        fits = getattr(table.get(name), "targets", None) if table.accepts(name) else None
        reason = misfit(name, fits, kind) if fits else None
        if reason:
            names = [each for each in table.names if _fits(table, each, kind)]
            problems.add(key, f"{reason}; these fit: {', '.join(names)}")


def _fits(table: Table, name: str, kind: Any) -> bool:
    fits = getattr(table.get(name), "targets", None)
    return name not in ("none", "python") and (fits is None or kind in fits)


def _check_augmentation(
    problems: Problems, key: Key, fields: Mapping[str, Node], kind: Kind | None, entry: Any
) -> None:
    changed = list(_changed(fields.get("augment", Fixed(NO_AUGMENTATION))))
    if not changed:
        return
    if brings_data(entry):
        problems.add(
            key, "changes images of a data set; a task with its own batches augments them itself"
        )
        return
    if kind not in (None, "images"):
        problems.add(key, str(augmentation_refusal(changed[0], kind, entry.targets)))
        return
    for change in changed:
        reason = augmentation_refusal(change, "images", entry.targets)
        if reason:
            problems.add((*key, change), reason)


def _changed(augment: Node) -> Iterator[str]:
    """Yields the random changes that a tree of `augment` turns on."""
    values = _fields(augment)
    for change in CHANGES:
        default = Fixed(NO_AUGMENTATION[change])
        child = values.get(change, default)
        nested = isinstance(child, Record) and child == _record(default.value)
        if child != default and not nested:
            yield change


def _record(value: Any) -> Node:
    """Returns a mapping as the tree that the reader makes of its defaults."""
    if not isinstance(value, Mapping):
        return Fixed(value)
    return Record(tuple((name, Fixed(child)) for name, child in value.items()))


def _fields(node: Node) -> dict[str, Node]:
    """Returns the fields of a tree, or of a fixed mapping."""
    match node:
        case Record(fields):
            return dict(fields)
        case Fixed(value) if isinstance(value, Mapping):
            return {str(name): Fixed(child) for name, child in value.items()}
        case _:
            return {}
