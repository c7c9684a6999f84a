"""Tells from which weights the architectures of a space start. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from paretune.search.study.elastic import ELASTIC
from paretune.search.study.plan import only_for
from paretune.search.study.spec import BaselineSpec
from paretune.spaces.architecture import OWN_CODE
from paretune.spaces.domains import (
    Choice,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Record,
    assign,
    assignments,
    with_ends_only,
)

PUBLISHED = {"torchvision": "weights", "timm": "pretrained", "transformers": "checkpoint"}
"""Architecture -> its option that loads trained weights."""

MOST = 1000
"""Most architectures of a space that are looked at one by one."""


def checkpoint_of(
    architecture: Node, baseline: BaselineSpec | None, *, searched: bool, recipe: bool
) -> Node:
    """Returns the checkpoint that the networks of a space start from, as a tree.

    Args:
        architecture: The space's architectures.
        baseline: The baseline; None if it has mistakes.
        searched: Whether `space` names the architectures. If not, all are the baseline's.
        recipe: Whether `space.pretrain` trains them. It trains searched ones from their first
            weights, the baseline's own architecture too.
    """
    if baseline is None or baseline.checkpoint is None:
        return Fixed(None)
    if not searched:
        return Fixed(baseline.checkpoint)
    if recipe or not may_be(architecture, baseline.architecture):
        return Fixed(None)
    return Fixed(only_for(baseline.architecture, baseline.checkpoint))


def may_be(node: Node, value: Any) -> bool:
    """Returns whether a tree can take a concrete value."""
    match node:
        case Fixed(fixed):
            return bool(fixed == value)
        case Record(fields):
            return (
                isinstance(value, Mapping)
                and {name for name, _ in fields} == set(value)
                and all(may_be(child, value[name]) for name, child in fields)
            )
        case Items(items):
            return (
                isinstance(value, list)
                and len(value) == len(items)
                and all(map(may_be, items, value))
            )
        case Choice(options):
            return any(may_be(child, value) for _, child in options)
        case Float(low, high) | Int(low, high):
            return isinstance(value, int | float) and low <= value <= high


def without_weights(architecture: Node, baseline: BaselineSpec) -> str | None:
    """Returns the first architecture of a space that no weights exist for, in words, or None.

    Weights come from the baseline's checkpoint, for the baseline's own architecture, or from the
    library or the user's code that makes the network. A factory that needs a checkpoint for the
    baseline loads no weights itself.
    """
    for value in _values(architecture):
        if not isinstance(value, Mapping):
            continue  # its mistake is noted already
        [(name, options)] = value.items()
        if name == ELASTIC:
            continue  # its training starts from any weights
        if baseline.checkpoint is not None and value == baseline.architecture:
            continue
        if name in PUBLISHED and options.get(PUBLISHED[name]):
            continue
        if name == OWN_CODE and not _made_by(options, baseline):
            continue
        return _difference(name, options, baseline)
    return None


def _values(node: Node) -> Iterator[Any]:
    """Yields the concrete values of a tree; of a continuous parameter both ends."""
    finite = with_ends_only(node)
    for assignment in islice(assignments(finite), MOST):
        yield assign(finite, lambda name, domain, taken=assignment: taken[name])  # type: ignore[misc]


def _made_by(options: Mapping[str, Any], baseline: BaselineSpec) -> bool:
    """Returns whether the baseline's factory makes a network, and its weights are in a file."""
    options_of_baseline = baseline.architecture.get(OWN_CODE)
    return (
        options_of_baseline is not None
        and baseline.checkpoint is not None
        and options_of_baseline["factory"] == options.get("factory")
    )


def _difference(name: str, options: Mapping[str, Any], baseline: BaselineSpec) -> str:
    """Returns an architecture in words: its name, or where it differs from the baseline's."""
    options_of_baseline = baseline.architecture.get(name)
    if options_of_baseline is None or baseline.checkpoint is None:
        return name
    keys = [key for key in options if options[key] != options_of_baseline.get(key)]
    differences = [
        f"{key} {options[key]}, the baseline's is {options_of_baseline.get(key)}" for key in keys
    ]
    return f"{name} with {'; '.join(differences)}"
