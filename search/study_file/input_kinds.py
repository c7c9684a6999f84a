"""Checks that architectures and augmentation fit the data: images, or text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.inputs import Kind
from paretune.search.data import DATASETS
from paretune.search.study_file.problems import Key, Problems
from paretune.spaces.architecture import refusal, takes
from paretune.spaces.domains import Choice, Fixed, Node, Record
from paretune.spaces.training.recipe import Augment

NO_AUGMENTATION = Augment().model_dump()


def check_kinds(problems: Problems, data: str, parts: Mapping[Key, Node]) -> None:
    """Notes each architecture that takes other inputs than the data, and augmentation of text.

    Args:
        problems: Collects the mistakes.
        data: Name of the data set.
        parts: The trees of architectures and recipes by their key in the study file.
    """
    kind: Kind = getattr(DATASETS.get(data), "holds", "images")
    for key, node in parts.items():
        if key[-1] == "architecture":
            for name in dict.fromkeys(option_names(node)):
                if not takes(name, kind):
                    problems.add(key, refusal(name, kind))
        elif kind == "text" and not _plain(node):
            problems.add(
                (*key, "augment"), "changes images, but the data is text; leave augment out"
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
