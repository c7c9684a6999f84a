"""Edits of the section `space` of a study file, as plain data. Pure.

An edit names a parameter as trials do, `pruning.structured.ratio`. The tree of the space leads to
its part of the plain data, so that everything else stays as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.spaces.domains import Choice, Float, Int, Items, Node, Record

Space = Mapping[str, Any]
"""The section `space` as plain data."""


@dataclass(frozen=True)
class DropOption:
    """An option that leaves a choice."""

    name: str
    label: str
    reason: str

    @property
    def text(self) -> str:
        """The edit and its reason in one line."""
        return f"{self.name}: {self.label} goes: {self.reason}"


@dataclass(frozen=True)
class SetRange:
    """New ends of a range of numbers; `old` holds the present ones."""

    name: str
    old: tuple[float, float]
    new: tuple[float, float]
    reason: str

    @property
    def text(self) -> str:
        """The edit and its reason in one line."""
        return (
            f"{self.name}: {range_text(*self.old)} becomes {range_text(*self.new)}: {self.reason}"
        )


@dataclass(frozen=True)
class AddValue:
    """A number that joins a choice of numbers."""

    name: str
    value: float
    reason: str

    @property
    def text(self) -> str:
        """The edit and its reason in one line."""
        return f"{self.name}: {self.value:g} comes in: {self.reason}"


@dataclass(frozen=True)
class SetEpochs:
    """The numbers of epochs that a training may have."""

    name: str
    values: tuple[int, ...]
    reason: str

    @property
    def text(self) -> str:
        """The edit and its reason in one line."""
        return f"{self.name}: {' or '.join(map(str, self.values))}: {self.reason}"


Edit = DropOption | SetRange | AddValue | SetEpochs


def range_text(low: float, high: float) -> str:
    """Returns `0.1 .. 0.8`."""
    return f"{low:.3g} .. {high:.3g}"


def edited_space(space: Space, tree: Node, edits: Sequence[Edit]) -> dict[str, Any]:
    """Returns a copy of the space with these edits.

    Args:
        space: The section as plain data.
        tree: The tree that was read from it.
        edits: At most one for each parameter, or several `DropOption`.

    Raises:
        KeyError: There is no parameter of this name, or it is not written in the section.
    """
    by_name: dict[str, list[Edit]] = {}
    for edit in edits:
        by_name.setdefault(edit.name, []).append(edit)
    done: set[str] = set()
    assert isinstance(tree, Record)
    fields = dict(tree.fields)
    result = {
        key: _edited(value, fields[key], key, by_name, done) if key in fields else value
        for key, value in space.items()
    }
    if missing := by_name.keys() - done:
        raise KeyError(", ".join(sorted(missing)))
    return result


def _edited(
    value: Any, node: Node, path: str, edits: Mapping[str, list[Edit]], done: set[str]
) -> Any:
    """Returns a part of the plain data with its edits."""
    wanted = edits.get(path, [])
    if wanted and isinstance(wanted[0], SetEpochs):
        done.add(path)
        return _epochs_value(wanted[0].values)
    match node:
        case Choice() if is_choice(value):
            return _edited_choice(value, node, path, edits, done)
        case Float() | Int() if isinstance(value, Mapping):
            for edit in wanted:
                assert isinstance(edit, SetRange)
                done.add(path)
                kind = "int" if isinstance(node, Int) else "float"
                value = {**value, kind: list(edit.new)}
            return value
        case Record() | Items():
            return _edited_fields(value, node, path, edits, done)
        case _:
            return value


def _epochs_value(values: Sequence[int]) -> Any:
    return values[0] if len(values) == 1 else {"choice": list(values)}


def _edited_fields(
    value: Any, node: Record | Items, path: str, edits: Mapping[str, list[Edit]], done: set[str]
) -> Any:
    fields = dict(node.fields)
    if isinstance(value, Mapping):
        return {
            key: _edited(child, fields[key], f"{path}.{key}", edits, done)
            if key in fields
            else child
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [
            _edited(child, fields[str(index)], f"{path}.{index}", edits, done)
            if str(index) in fields
            else child
            for index, child in enumerate(value)
        ]
    return value  # a bare name, such as `cosine`, or one domain for every layer


def _edited_choice(
    value: Mapping[str, Any],
    node: Choice,
    path: str,
    edits: Mapping[str, list[Edit]],
    done: set[str],
) -> Any:
    wanted = edits.get(path, [])
    if wanted:
        done.add(path)
    dropped = {edit.label for edit in wanted if isinstance(edit, DropOption)}
    added = [edit.value for edit in wanted if isinstance(edit, AddValue)]
    kept = [
        (_edited_option(item, child, path, edits, done), label)
        for item, (label, child) in zip(choice_items(value), node.options, strict=True)
    ]
    items = [item for item, label in kept if label not in dropped]
    if isinstance(value["choice"], Mapping):
        return {"choice": {key: child for item in items for key, child in item.items()}}
    if added:
        items = sorted([*items, *added])
    return {"choice": items}


def _edited_option(
    item: Any, node: Node, path: str, edits: Mapping[str, list[Edit]], done: set[str]
) -> Any:
    """Returns an option with the edits of its parameters."""
    return _edited(item, node, path, edits, done) if isinstance(item, Mapping) else item


def is_choice(value: Any) -> bool:
    """Returns whether plain data is a choice."""
    return isinstance(value, Mapping) and "choice" in value


def choice_items(value: Mapping[str, Any]) -> list[Any]:
    """Returns the options of a choice in order: literals, names, or {name: parameters}."""
    options = value["choice"]
    if isinstance(options, Mapping):
        return [{key: child} for key, child in options.items()]
    return list(options)


def written_literals(space: Space, tree: Node) -> Iterator[tuple[str, Any]]:
    """Yields (name, value) of the numbers that the section fixes, and of its choices of numbers.

    The name is that which the number has as a parameter.
    """
    assert isinstance(tree, Record)
    fields = dict(tree.fields)
    for key, value in space.items():
        if key in fields:
            yield from _literals(value, fields[key], key)


def _literals(value: Any, node: Node, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Choice) and is_choice(value):
        items = choice_items(value)
        if all(_is_number(item) for item in items):
            yield path, tuple(items)
            return
        for item, (_, child) in zip(items, node.options, strict=True):
            yield from _literals(item, child, path)
    elif isinstance(node, Record) and isinstance(value, Mapping):
        fields = dict(node.fields)
        for key, child in value.items():
            if key in fields:
                yield from _literals(child, fields[key], f"{path}.{key}")
    elif _is_number(value):
        yield path, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
