"""Writes plain data as YAML with a comment beside each line. Pure."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.search.study_file.document import value_of

Path = tuple[str, ...]
"""Path of a key."""

WIDTH = 100

COLUMN = 48
"""Last column at which the comments of neighbouring lines begin."""

PLAIN = re.compile(r"^\w[\w./+-]*$")
"""Text that needs no quotes, unless YAML takes it for another type."""


@dataclass(frozen=True)
class _Line:
    """A line of YAML, and the comment beside or above it."""

    text: str
    comment: str = ""

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


def commented_yaml(
    data: Mapping[str, Any],
    comments: Mapping[Path, str],
    aliases: Mapping[Path, Path] | None = None,
    width: int = WIDTH,
) -> str:
    """Returns a mapping as YAML, which reads as the same data.

    A value takes one line if it fits and no key inside has a comment.

    Args:
        data: Mappings, lists and scalars.
        comments: Path of a key -> its comment.
        aliases: Path of a key -> that of an earlier one with the same value, which is not repeated.
        width: Longest line.
    """
    return _Writer(comments, aliases or {}, width).text(data)


def comment_lines(text: str, width: int = WIDTH, indent: int = 0, hang: str = "") -> list[str]:
    """Returns a comment as lines of at most this width.

    Args:
        text: The comment.
        width: Longest line.
        indent: Spaces before it.
        hang: Spaces inside of all lines but the first.
    """
    begin = " " * indent + "# "
    return textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=begin + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def scalar(value: Any) -> str:
    """Returns a scalar or a list or mapping on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {scalar(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(scalar, value)) + "]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = PLAIN.match(text) and value_of(text, "") == text
    return text if plain else json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """Returns a number as people write it: 3e-4, 0.25."""
    if value and not 1e-2 <= abs(value) < 1e5 and math.isfinite(value):
        mantissa, _, exponent = f"{value:.6e}".partition("e")
        short = f"{float(mantissa):g}e{int(exponent)}"
        return short if float(short) == value else repr(value)
    return repr(value)


class _Writer:
    """Writes sections.

    Args:
        comments: Path of a key -> its comment.
        aliases: Path of a key -> that of an earlier one with the same value.
        width: Longest line.
    """

    def __init__(
        self, comments: Mapping[Path, str], aliases: Mapping[Path, Path], width: int
    ) -> None:
        self._comments = comments
        self._aliases = aliases
        self._anchors = {origin: f"&{origin[-1]}" for origin in aliases.values()}
        self._width = width

    def text(self, data: Mapping[str, Any]) -> str:
        """Returns all sections; those of several lines stand between blank lines."""
        sections = []
        for key, value in data.items():
            section = "\n".join(_written(list(self._entry(key, value, (key,), 0)), self._width))
            sections.append(f"\n{section}\n" if "\n" in section else section)
        return "\n".join(sections).replace("\n\n\n", "\n\n").strip("\n") + "\n"

    def _entry(self, key: str, value: Any, path: Path, indent: int) -> Iterator[_Line]:
        begin = f"{' ' * indent}{scalar(key)}:"
        comment = self._comments.get(path, "")
        if path in self._aliases:
            yield _Line(f"{begin} *{self._aliases[path][-1]}", comment)
            return
        if path in self._anchors:
            begin = f"{begin} {self._anchors[path]}"
        if not self._breaks(value, path, begin):
            yield _Line(f"{begin} {scalar(value)}", comment)
            return
        yield _Line(begin, comment)
        yield from self._block(value, path, indent + 2)

    def _block(self, value: Any, path: Path, indent: int) -> Iterator[_Line]:
        if isinstance(value, Mapping):
            for key, child in value.items():
                yield from self._entry(str(key), child, (*path, str(key)), indent)
            return
        for index, child in enumerate(value):
            comment = self._comments.get((*path, str(index)), "")
            yield _Line(f"{' ' * indent}- {scalar(child)}", comment)

    def _breaks(self, value: Any, path: Path, begin: str) -> bool:
        """Returns whether a value takes several lines."""
        if not isinstance(value, Mapping | list | tuple) or not value:
            return False
        marked = [*self._comments, *self._aliases, *self._anchors]
        inside = any(len(key) > len(path) and key[: len(path)] == path for key in marked)
        return inside or len(begin) + 1 + len(scalar(value)) > self._width


def _written(lines: Sequence[_Line], width: int) -> Iterator[str]:
    """Yields lines with their comments, which begin in one column where they fit."""
    column = max((len(x.text) + 2 for x in lines if x.comment and len(x.text) < COLUMN), default=0)
    for line in lines:
        if not line.comment:
            yield line.text
            continue
        begin = max(column, len(line.text) + 2)
        if begin + 2 + len(line.comment) <= width:
            yield f"{line.text:<{begin}}# {line.comment}"
            continue
        yield from comment_lines(line.comment, width, line.indent)
        yield line.text
