"""Names of the options that a tree of a space can lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paretune.spaces.domains import Choice, Fixed, Node, Record


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
