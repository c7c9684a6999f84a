"""Nests: tensors or arrays alone, or in tuples, lists and mappings; what networks take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Nest = Any
"""A tensor or array, or a tuple, list or mapping of nests."""


ABSENT = "absent"
"""The form of a member that is None: `(logits, None)`."""


def is_group(nest: Nest) -> bool:
    """Returns whether a nest has members; a tensor, an array or a number has none."""
    return isinstance(nest, Mapping) or (isinstance(nest, Sequence) and not isinstance(nest, str))


def mapped(nest: Nest, change: Callable[[Any], Any]) -> Nest:
    """Returns a nest of the same form with each leaf changed.

    Mappings become dicts and named tuples become tuples. Members that are None stay None, and are
    left out of mappings: networks of Hugging Face return many of them.
    """
    if isinstance(nest, Mapping):
        return {key: mapped(value, change) for key, value in nest.items() if value is not None}
    if is_group(nest):
        values = [None if value is None else mapped(value, change) for value in nest]
        return values if isinstance(nest, list) else tuple(values)
    return change(nest)


def leaves(nest: Nest) -> list[Any]:
    """Returns the leaves of a nest in order."""
    return list(named_leaves(nest).values())


def named_leaves(nest: Nest, name: str = "") -> dict[str, Any]:
    """Returns name -> leaf; "boxes", "0", "heads.1", or `name` for a single leaf."""
    if not is_group(nest):
        return {name: nest}
    items = nest.items() if isinstance(nest, Mapping) else enumerate(nest)
    named: dict[str, Any] = {}
    for key, value in items:
        if value is not None:
            named |= named_leaves(value, f"{name}.{key}" if name else str(key))
    return named


def batch_size(nest: Nest) -> int:
    """Returns the length of the first leaf, or of a list of one nest for each example."""
    if isinstance(nest, list):
        return len(nest)
    return len(leaves(nest)[0])


def form_of(nest: Nest) -> Any:
    """Returns the form of a nest as JSON, for `nest_of`.

    A leaf is None, a mapping {"dict": {key: form}}, a tuple {"tuple": [form]}, a list
    {"list": [form]}. A member that is None and no leaf is ABSENT.
    """
    if isinstance(nest, Mapping):
        return {"dict": {str(k): form_of(v) for k, v in nest.items() if v is not None}}
    if is_group(nest):
        kind = "list" if isinstance(nest, list) else "tuple"
        return {kind: [ABSENT if value is None else form_of(value) for value in nest]}
    return None


def nest_of(form: Any, flat: Sequence[Any]) -> Nest:
    """Returns the nest of a form, with these leaves.

    Args:
        form: What `form_of` returned.
        flat: Its leaves, in order.
    """
    nest, left = _filled(form, list(flat))
    assert not left, "as many leaves as the form has"
    return nest


def _filled(form: Any, flat: list[Any]) -> tuple[Nest, list[Any]]:
    if form is None:
        return flat[0], flat[1:]
    if form == ABSENT:
        return None, flat
    [(kind, members)] = form.items()
    values = []
    for member in members.values() if kind == "dict" else members:
        value, flat = _filled(member, flat)
        values.append(value)
    if kind == "dict":
        return dict(zip(members, values, strict=True)), flat
    return (values if kind == "list" else tuple(values)), flat
