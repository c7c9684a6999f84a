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
    """Returns the section as YAML: mappings without further mappings in one line."""
    return yaml.dump(
        {"space": _plain(space)},
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        width=WIDTH,
        allow_unicode=True,
    )


class _Dumper(yaml.SafeDumper):
    """Writes repeated parts in full instead of as anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(child) for child in value]
    return value
