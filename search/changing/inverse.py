"""The inverse of `assign`: the parameters of a space that give a concrete value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.spaces.domains import Choice, Domain, Fixed, Float, Int, Items, Node, Record

NOTHING: Mapping[str, Any] = {"none": {}}
"""The option of a technique that is not applied; the same as no value at all."""

TOLERANCE = 1e-9
"""A value is on the grid of a step if it differs from a point of it by this share of the step."""


class _Outside(Exception):
    """The value does not lie in the space."""


def params_of(choices: Any, space: Node) -> dict[str, Any] | None:
    """Returns the parameters for which `assign` gives these choices.

    A parameter that was fixed when the choices were made gets the fixed value. Keys that both sides
    leave empty, as None or `none`, need not be there.

    Args:
        choices: A concrete value of this space or of another one.
        space: The space.

    Returns:
        Parameter name -> number or label, of the branches taken; None if the choices lie outside.
    """
    params: dict[str, Any] = {}
    try:
        _match(space, choices, "", params)
    except _Outside:
        return None
    return params


def _match(node: Node, value: Any, path: str, params: dict[str, Any]) -> None:
    """Adds the parameters of a subtree.

    Raises:
        _Outside: The value does not lie in the subtree.
    """
    match node:
        case Fixed(fixed):
            if not same_value(fixed, value):
                raise _Outside
        case Record() | Items():
            _match_fields(node, value, path, params)
        case Choice():
            _match_choice(node, value, path, params)
        case Float() | Int():
            params[path] = number_in(node, value)
            if params[path] is None:
                raise _Outside


def _match_fields(node: Record | Items, value: Any, path: str, params: dict[str, Any]) -> None:
    fields = dict(node.fields)
    if _is_nothing(value) and all(isinstance(f, Record) and not f.fields for f in fields.values()):
        return  # None, for a record such as {none: {}}
    entries = _entries(value)
    if entries is None:
        raise _Outside
    if any(key not in fields and not _is_nothing(entry) for key, entry in entries.items()):
        raise _Outside
    for key, child in fields.items():
        _match(child, entries.get(key), f"{path}.{key}" if path else key, params)


def _match_choice(node: Choice, value: Any, path: str, params: dict[str, Any]) -> None:
    for label, child in node.options:
        branch: dict[str, Any] = {}
        try:
            _match(child, value, path, branch)
        except _Outside:
            continue
        params[path] = label
        params.update(branch)
        return
    raise _Outside


def number_in(domain: Float | Int, value: Any) -> float | int | None:
    """Returns a number as the domain has it; None if it lies outside, or on no point of a step."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not domain.low <= value <= domain.high:
        return None
    if isinstance(domain, Int) and value != int(value):
        return None
    if domain.step is not None:
        steps = (value - domain.low) / domain.step
        if abs(steps - round(steps)) > TOLERANCE:
            return None
        if isinstance(domain, Float):
            return round(domain.low + round(steps) * domain.step, 12)
    return int(value) if isinstance(domain, Int) else float(value)


def contains(domain: Domain, value: Any) -> bool:
    """Returns whether a domain has this number or label."""
    if isinstance(domain, Choice):
        return value in domain.labels
    return number_in(domain, value) is not None


def same_value(one: Any, other: Any) -> bool:
    """Returns whether two concrete values are the same; a list equals its mapping of indexes."""
    if _is_nothing(one) and _is_nothing(other):
        return True
    first, second = _entries(one), _entries(other)
    if first is not None and second is not None:
        return all(same_value(first.get(k), second.get(k)) for k in {*first, *second})
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _entries(value: Any) -> dict[str, Any] | None:
    """Returns the entries of a mapping or list by key; None for any other value."""
    if isinstance(value, Mapping):
        return {str(key): entry for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return {str(index): entry for index, entry in enumerate(value)}
    return None


def _is_nothing(value: Any) -> bool:
    return value is None or value == NOTHING


# -- the space that a database stores ------------------------------------------------------------


def choices_of(tree: Any, params: Mapping[str, Any], path: str = "") -> Any:
    """Returns the concrete value that parameters gave in a stored space.

    Args:
        tree: The space as `resume_check.identity` stores it. Lists are mappings of indexes there.
        params: Parameter name -> number or label, of the branches taken.
        path: Prefix of the parameter names of this tree.

    Raises:
        KeyError: The parameters are not of this space.
    """
    if not isinstance(tree, Mapping):
        return tree
    if is_choice(tree):
        return choices_of(tree["choice"][params[path]], params, path)
    if is_range(tree):
        return params[path]
    return {
        key: choices_of(child, params, f"{path}.{key}" if path else key)
        for key, child in tree.items()
    }


def is_choice(tree: Any) -> bool:
    """Returns whether a stored tree is a choice."""
    return isinstance(tree, Mapping) and tree.keys() == {"choice"}


def is_range(tree: Any) -> bool:
    """Returns whether a stored tree is a range of numbers."""
    if not isinstance(tree, Mapping):
        return False
    return tree.keys() in ({"float", "log", "step"}, {"int", "log", "step"})
