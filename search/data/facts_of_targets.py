"""Finds out what a task must know of targets: how many classes, labels or values there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paretune.search.data.raw_data import RawPart, count_classes
from paretune.search.data.targets import BoxTargets, RawTargets, TargetsWanted
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts


def class_facts(name: str, parts: Mapping[str, RawPart], names: Sequence[str] = ()) -> TargetFacts:
    """Returns the facts of classes, which are counted in the training part without names.

    Raises:
        UserError: There is only one class, or a label beyond the number of classes.
    """
    labels = {part: examples.labels for part, examples in parts.items()}
    return TargetFacts("class", count_classes(name, labels, len(names) or None), tuple(names))


def facts_of(
    name: str, parts: Mapping[str, RawPart], wanted: TargetsWanted, names: Sequence[str] = ()
) -> TargetFacts:
    """Returns the facts of the targets of all parts.

    Args:
        name: Name of the source, for messages.
        parts: Parts of the source, with checked targets.
        wanted: What the targets are.
        names: Names of classes, labels or values, if the source has them.

    Raises:
        UserError: The parts differ, or there is nothing to learn.
    """
    if wanted.kind == "class":
        return class_facts(name, parts, names)
    targets = {part: examples.targets for part, examples in parts.items()}
    if wanted.kind in ("labels", "values"):
        return TargetFacts(wanted.kind, _width(name, targets, wanted), tuple(names))
    return TargetFacts(wanted.kind, _classes(name, targets, wanted, names), tuple(names))


def pixel_classes(mask: np.ndarray, ignore: int | None) -> np.ndarray:
    """Returns the classes of the pixels of masks, sorted, without that of ignored pixels."""
    values = (
        np.flatnonzero(np.bincount(mask.ravel())) if mask.dtype == np.uint8 else np.unique(mask)
    )
    return values[values != ignore] if ignore is not None else values


def _width(name: str, targets: Mapping[str, RawTargets], wanted: TargetsWanted) -> int:
    """Returns the number of labels or values of an example.

    Raises:
        UserError: The parts differ in it, or a value or label is the same in the whole training
            part.
    """
    arrays = {part: np.asarray(each) for part, each in targets.items()}
    widths = {part: array.shape[1] for part, array in arrays.items()}
    if len(set(widths.values())) > 1:
        text = ", ".join(f"{part} {width}" for part, width in widths.items())
        raise UserError(f"{name}: the parts' targets differ in their number: {text}")
    train = arrays["train"]
    constant = np.flatnonzero((train == train[:1]).all(0))
    if len(constant):
        column = int(constant[0])
        what = "label" if wanted.kind == "labels" else "target"
        raise UserError(
            f"{name}: {what} {column} is {train[0, column]:g} in the whole training part; there is "
            "nothing to learn; leave it out"
        )
    return int(train.shape[1])


def _classes(
    name: str, targets: Mapping[str, RawTargets], wanted: TargetsWanted, names: Sequence[str]
) -> int:
    """Returns the number of classes of pixels or boxes.

    Raises:
        UserError: A part has a class that the training part lacks, or there is nothing to learn.
    """
    present = {part: _present(each, wanted) for part, each in targets.items()}
    train = present["train"]
    what = "boxes" if wanted.kind == "boxes" else "pixels"
    if not len(train):
        raise UserError(f"{name}: the training part has no {what} with a class")
    classes = len(names) or int(train.max()) + 1
    if not names and len(train) < classes:
        absent = np.setdiff1d(np.arange(min(classes, len(train) + 5)), train)[:5]
        last = int(train.max())
        raise UserError(
            f"{name}: the training part has no {what} of class {', '.join(map(str, absent))} "
            f"although classes go up to {last}; number them from 0 without gaps"
            f"{_ignore_hint(wanted, last)}"
        )
    for part, numbers in present.items():
        if len(numbers) and (numbers.max() >= classes or numbers.min() < 0):
            wrong = int(numbers.max() if numbers.max() >= classes else numbers.min())
            raise UserError(
                f"{name}: {part}: {what} of class {wrong}, but the classes are 0 to {classes - 1}"
                f"{_ignore_hint(wanted, wrong)}"
            )
    if wanted.kind == "mask" and classes < 2:
        raise UserError(f"{name}: the masks have one class only; there is nothing to learn")
    return classes


def _ignore_hint(wanted: TargetsWanted, value: int) -> str:
    if wanted.kind != "mask":
        return ""
    task = f"{{segmentation: {{ignore: {value}}}}}"
    return f"; if {value} marks pixels without a class, type task: {task}"


def _present(targets: RawTargets, wanted: TargetsWanted) -> np.ndarray:
    if isinstance(targets, BoxTargets):
        return np.unique(targets.classes())
    return pixel_classes(targets, wanted.ignore)
