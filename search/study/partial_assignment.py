"""Reads values of some parameters, in the words of the section `space`, against a space.

`{pruning: {structured: {ratio: 0.4}}, quantization: static}` and the parameter names that
`paretune check` prints, `{pruning.structured.ratio: 0.4}`, mean the same. A parameter of a branch
implies the option that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Record,
    label_of,
    parameters,
)

Keys = tuple[str, ...]
"""Keys that lead to a value, as the user typed them."""


class AssignmentError(ValueError):
    """A value does not fit the space.

    Attributes:
        path: Keys that lead to it, as the user typed them.
    """

    def __init__(self, path: Keys, text: str) -> None:
        super().__init__(text)
        self.path = path


@dataclass(frozen=True)
class TypedValue:
    """A value that the user typed for a parameter, or for a fixed value of the space.

    Attributes:
        name: Name of the parameter: the keys joined by dots.
        path: The keys as they were typed.
        value: A literal, a list, or an empty mapping.
    """

    name: str
    path: Keys
    value: Any


@dataclass(frozen=True)
class SpaceEntry:
    """A name of the space: a parameter, a fixed value, or an option of a choice.

    Attributes:
        node: The domain; a Fixed value; None for an option.
        condition: (parameter name, label) pairs that must hold for it to exist.
    """

    node: Domain | Fixed | None
    condition: tuple[tuple[str, str], ...]


class SpaceNames:
    """The names of a space.

    Args:
        space: The space.
    """

    def __init__(self, space: Node) -> None:
        self.domains: dict[str, Domain] = {p.name: p.domain for p in parameters(space)}
        self._entries: dict[str, list[SpaceEntry]] = {}
        for name, entry in _entries(space, "", ()):
            self._entries.setdefault(name, []).append(entry)

    def assignment(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns parameter name -> number or label, of the parameters that the values decide.

        Args:
            values: Nested mappings, or parameter names, or both.

        Raises:
            AssignmentError: A value does not fit the space, or contradicts another one.
        """
        chosen: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for typed in flat_values(values):
            entries = self.entries(typed)
            error: AssignmentError | None = None
            for entry in entries:
                try:
                    decided = {**dict(entry.condition), **_decided(typed, entry)}
                    _check_agreement(typed, decided, chosen, origin)
                except AssignmentError as one:
                    error = error or one
                    continue
                chosen |= decided
                origin |= {name: origin.get(name, typed.name) for name in decided}
                break
            else:
                assert error is not None
                raise error
        return chosen

    def entries(self, typed: TypedValue) -> list[SpaceEntry]:
        """Returns what a name means; several entries if branches share the name.

        Raises:
            AssignmentError: The space has no such name.
        """
        if typed.name in self._entries:
            return self._entries[typed.name]
        from paretune.spaces.table import did_you_mean  # imports pydantic, which takes long

        names = list(self.domains)
        choice = f" Known: {', '.join(names)}." if names else " The space has no parameter."
        hint = did_you_mean(typed.name, list(self._entries)) or "."
        raise AssignmentError(typed.path, f"there is no such parameter in the space{hint}{choice}")


def flat_values(values: Mapping[str, Any], path: Keys = ()) -> Iterator[TypedValue]:
    """Yields the leaves of nested mappings; empty mappings and null are leaves, too.

    Lists of mappings are nested as well, by their indexes.
    """
    for key, value in values.items():
        steps = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from flat_values(value, steps)
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            yield from flat_values({str(i): item for i, item in enumerate(value)}, steps)
        else:
            yield TypedValue(".".join(steps), steps, {} if value is None else value)


def domain_value(domain: Domain, value: Any, path: Keys) -> Any:
    """Returns a value as the domain has it: a label for a choice, a number on its grid.

    Raises:
        AssignmentError: It lies outside the domain.
    """
    match domain:
        case Choice():
            return _label(domain, value, path)
        case Int(low, high, _, step):
            if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
                raise AssignmentError(path, f"give an integer from {low} to {high}, not {value!r}")
            if not low <= value <= high:
                raise AssignmentError(path, f"must be from {low} to {high}, got {value!r}")
            nearest = low + round((value - low) / step) * step
            if nearest != value:
                raise AssignmentError(
                    path, f"the space takes steps of {step} from {low}; give {nearest}"
                )
            return int(value)
        case Float(low, high, _, step):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise AssignmentError(
                    path, f"give a number from {low:g} to {high:g}, not {value!r}"
                )
            if not low <= value <= high:
                raise AssignmentError(path, f"must be from {low:g} to {high:g}, got {value:g}")
            if step is None:
                return float(value)
            on_grid = round(min(high, low + round((value - low) / step) * step), 12)
            if abs(on_grid - value) > 1e-9 * max(1.0, abs(value)):
                raise AssignmentError(
                    path, f"the space takes steps of {step:g} from {low:g}; give {on_grid:g}"
                )
            return on_grid


def _label(domain: Choice, value: Any, path: Keys) -> str:
    """Returns the label of an option that is named by its label, its name or its value."""
    if value == {} and "none" in domain.labels:  # `pruning: null`
        return "none"
    if label_of(value) in domain.labels:
        return label_of(value)
    for label, child in domain.options:
        if isinstance(child, Fixed) and _equal(child.value, value):
            return label
    named = [label for label, child in domain.options if _record_key(child) == value]
    if len(named) == 1:
        return named[0]
    from paretune.spaces.table import did_you_mean

    text = "a mapping without keys" if value == {} else f'"{value}"'
    hint = did_you_mean(str(value), domain.labels) or "."
    raise AssignmentError(path, f"{text} is not an option{hint} Known: {', '.join(domain.labels)}.")


def _decided(typed: TypedValue, entry: SpaceEntry) -> dict[str, Any]:
    """Returns what a value decides beyond the branch of its entry."""
    match entry.node:
        case None:
            option = dict(entry.condition)[typed.name.rpartition(".")[0]]
            if typed.value != {} and label_of(typed.value) != option:
                raise AssignmentError(
                    typed.path,
                    f"is an option; give its parameters as a mapping, not {typed.value!r}",
                )
            return {}
        case Fixed(value):
            if not _fits(value, typed.value):
                raise AssignmentError(
                    typed.path,
                    f"is fixed at {_shown(value)} in the space, got {_shown(typed.value)}; leave "
                    "it out, or offer both in the space",
                )
            return {}
        case domain:
            return {typed.name: domain_value(domain, typed.value, typed.path)}


def _check_agreement(
    typed: TypedValue,
    decided: Mapping[str, Any],
    chosen: Mapping[str, Any],
    origin: Mapping[str, str],
) -> None:
    for name, value in decided.items():
        if name in chosen and chosen[name] != value:
            raise AssignmentError(
                typed.path,
                f"contradicts {origin[name]}: this one needs {name}: {value}, that one {name}: "
                f"{chosen[name]}; keep one of them",
            )


def _fits(fixed: Any, value: Any) -> bool:
    """Returns whether a typed value means a fixed one: equal, or the name of its only option."""
    if _equal(fixed, value):
        return True
    if value == {}:  # a mapping without keys, or null
        return fixed is None or isinstance(fixed, Mapping)
    return isinstance(fixed, Mapping) and list(fixed) == [value]


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _record_key(node: Node) -> str | None:
    """Returns the name of an option whose tree is {name: parameters}; else None."""
    return node.fields[0][0] if isinstance(node, Record) and len(node.fields) == 1 else None


def _shown(value: Any) -> str:
    if isinstance(value, Mapping) and len(value) == 1:
        [(name, options)] = value.items()
        return str(value) if options else str(name)
    return str(value)


def _entries(
    node: Node, path: str, condition: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, SpaceEntry]]:
    """Yields every name of a tree: parameters, options of choices, and fixed values."""
    match node:
        case Record() | Items():
            if isinstance(node, Record) and path:
                yield from _record_itself(node, path, condition)
            for key, child in node.fields:
                yield from _entries(child, f"{path}.{key}" if path else key, condition)
        case Choice(options):
            yield path, SpaceEntry(node, condition)
            for label, child in options:
                inside = (*condition, (path, label))
                yield f"{path}.{label}", SpaceEntry(None, inside)
                for name in {_record_key(child)} - {None, label}:
                    yield f"{path}.{name}", SpaceEntry(None, inside)
                yield from _entries(child, path, inside)
        case Float() | Int():
            yield path, SpaceEntry(node, condition)
        case Fixed(value):
            yield from _fixed(value, path, condition)


def _record_itself(
    node: Record, path: str, condition: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, SpaceEntry]]:
    """Yields the name of a record, unless it is a branch, which has the name of its choice."""
    if any(name == path for name, _ in condition):
        return
    key = _record_key(node)
    yield path, SpaceEntry(Fixed({key: {}} if key else {}), condition)


def _fixed(
    value: Any, path: str, condition: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, SpaceEntry]]:
    """Yields a fixed value, and the values inside it."""
    if path:
        yield path, SpaceEntry(Fixed(value), condition)
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from _fixed(child, f"{path}.{key}" if path else str(key), condition)
