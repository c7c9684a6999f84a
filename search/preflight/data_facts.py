"""Says in a few words what the inputs and targets of a data set are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from paretune.inputs import Tokens, shape_text
from paretune.nests import Nest, is_group

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

MOST = 3
"""Members of a list that a text shows."""


def data_facts(data: Dataset) -> Iterator[str]:
    """Yields the targets and the inputs: "10 classes, input (3, 32, 32)", "3 values"."""
    shape = data.shape
    facts = data.facts
    if facts is None:
        yield f"input {shape_text(shape)}"
    elif facts.kind == "class":
        plain = tuple(shape) if isinstance(shape, Tokens) else shape
        yield f"{facts.size} classes, input {plain}"
    else:
        yield f"{_targets(data)}, input {shape_text(shape)}"


def _targets(data: Dataset) -> str:
    facts = data.facts
    assert facts is not None
    size, names = facts.size, ", ".join(facts.names[:MOST])
    more = ", ..." if len(facts.names) > MOST else ""
    named = f" ({names}{more})" if names else ""
    match facts.kind:
        case "labels":
            return f"{_counted(size, 'label')}{named}"
        case "values":
            return f"{_counted(size, 'value')}{named}"
        case "mask":
            ignore = data.task.ignore
            ignored = ", 1 ignored" if ignore is not None and ignore >= 0 else ""
            return f"masks of {_counted(size, 'class')}{ignored}"
        case "boxes":
            count = sum(sum(data.counts(part)) for part in ("train", "validation", "test"))
            return f"boxes: {count:,} in {_counted(size, 'class')}{named}"
        case _:
            return f"next of {size} tokens"


def _counted(count: int, word: str) -> str:
    plural = "es" if word.endswith("s") else "s"
    return f"{count} {word}{plural if count != 1 else ''}"


def nest_text(nest: Nest) -> str:
    """Returns types and shapes: "float32 [8, 3, 96, 96]", "{boxes: float32 [2, 4]}"."""
    if isinstance(nest, Mapping):
        return f"{{{', '.join(f'{key}: {nest_text(value)}' for key, value in nest.items())}}}"
    if is_group(nest):
        members = [nest_text(member) for member in nest]
        shown = ", ".join(members[:MOST]) + (", ..." if len(members) > MOST else "")
        return f"[{shown}]" if isinstance(nest, list) else f"({shown})"
    return _leaf_text(nest)


def _leaf_text(leaf: Any) -> str:
    if not hasattr(leaf, "shape"):
        return type(leaf).__name__
    return f"{str(leaf.dtype).removeprefix('torch.')} {list(leaf.shape)}"
