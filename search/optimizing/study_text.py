"""Rewrites the section `space` in the text of a study file; everything else stays. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

WIDTH = 96


def with_space(text: str, space: Mapping[str, Any], reasons: Sequence[str]) -> str:
    """Returns the text with another section `space`.

    Args:
        text: The text of a study file in block style, with a line `space:`.
        space: The new section as plain data.
        reasons: Comments above it.

    Raises:
        ValueError: The text has no such line.
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if re.match(r"space:", line)), None)
    if start is None:
        raise ValueError("the text has no line that begins with space:")
    end = next(
        (i for i in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[i])), len(lines)
    )
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1  # comments in the first column belong to the next section
    head = start
    while head and lines[head - 1].startswith(MARK):
        head -= 1
    comments = [f"{MARK} {reason}" for reason in reasons]
    new = [*lines[:head], *comments, *space_text(space).splitlines(), *lines[end:]]
    return "\n".join(new) + "\n"


MARK = "#:"
"""Begins the comments that `with_space` writes, so that the next call replaces them."""


def space_text(space: Mapping[str, Any]) -> str:
    """Returns the section as YAML: a mapping in one line, where that fits."""
    return "\n".join(_lines("space", space, 0)) + "\n"


def _lines(key: str, value: Any, indent: int) -> list[str]:
    """Returns a key and its value, in one line or with the value's keys below it."""
    head = f"{' ' * indent}{_flow(key)}:"
    line = f"{head} {_flow(value)}"
    nested = isinstance(value, Mapping) and value
    if (len(line) <= WIDTH and not (nested and indent == 0)) or not nested:
        return [line]
    return [head, *(each for k, child in value.items() for each in _lines(k, child, indent + 2))]


def _flow(value: Any) -> str:
    """Returns a value in one line of YAML."""
    text = yaml.dump(
        _plain(value),
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=True,
        width=1_000_000,
        allow_unicode=True,
    )
    return text.removesuffix("\n").removesuffix("\n...")


class _Dumper(yaml.SafeDumper):
    """Writes repeated parts in full instead of as anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Returns that no part becomes an anchor."""
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value
