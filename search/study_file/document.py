"""A study file's text as plain data that remembers its lines.

PyYAML's own loader reads `1e-3` as a string and `on` as a boolean, lets duplicate keys pass, and
can make Python objects. This one follows YAML 1.2's core schema, refuses duplicates and any tag.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from paretune.search.study_file.problems import Key, Problems, StudyFileError


class _Loader(yaml.SafeLoader):
    """Composes nodes with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own attribute


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", rf"^(?:{_FLOAT}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))

DIGITS = 18
"""Of an integer at most: it goes through JSON, SQL and C, where 64 bits are the end."""

_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "int", "float", "str")}


@dataclass
class Document:
    """Plain data with the origin of each key.

    Attributes:
        file: As the user named it.
        data: Mappings, lists and scalars.
        lines: Path of a key -> its line, from 1.
        origins: Path -> the --set that put it there.
    """

    file: str
    data: dict[str, Any]
    lines: dict[Key, int] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """`studies/x.yaml:14` or the --set option that a key comes from."""
        for length in range(len(key), -1, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
            if key[:length] in self.lines:
                return f"{self.file}:{self.lines[key[:length]]}"
        return self.file

    def override(self, assignment: str) -> None:
        """Applies `a.b=c`; the value is YAML, missing mappings are made.

        Raises:
            StudyFileError: It is no assignment, or goes through something that is no mapping.
        """
        left, equals, right = assignment.partition("=")
        origin = f"--set {assignment}"
        if not equals or not left.strip():
            raise StudyFileError([f"{origin}: give a key and a value: --set search.seed=1"])
        path = tuple(part.strip() for part in left.split("."))
        value = _parsed(right, origin).data
        place: Any = self.data
        for length, step in enumerate(path[:-1], 1):
            if not isinstance(place.get(step), dict):
                if place.get(step) is not None and not isinstance(place[step], str):
                    raise StudyFileError([f"{origin}: {'.'.join(path[:length])} is no mapping"])
                place[step] = {}  # a bare name (`pruning: none`) gives way to the mapping
                self._moved(path[:length], origin)
            place = place[step]
        place[path[-1]] = value["value"]
        self._moved(path, origin)

    def _moved(self, path: Key, origin: str) -> None:
        """All at and below a key comes from an option now, whatever stood there before."""
        for known in (self.lines, self.origins):
            for key in [key for key in known if key[: len(path)] == path]:
                del known[key]
        self.origins[path] = origin


def read_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Reads a study file and applies --set options.

    Raises:
        StudyFileError: It cannot be read, is no YAML, or holds what a study file must not.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise StudyFileError([f"{path}: cannot be read: {reason}"]) from error
    document = _parsed(text, str(path), whole=True)
    for assignment in overrides:
        document.override(assignment)
    return document


def _parsed(text: str, name: str, whole: bool = False) -> Document:
    """A document; with `whole` False the text is one value, found under "value"."""
    document = Document(name, {})
    problems = Problems(document.where if whole else lambda key: name)
    try:
        node = yaml.compose(text, Loader=_Loader)
        value: Any = None if node is None else _Reader(document, problems).read(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark and whole else name
        said = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyFileError([f"{where}: this is no YAML: {said}"]) from error
    except RecursionError as error:
        raise StudyFileError([f"{name}: this is nested too deeply for a study"]) from error
    problems.raise_any()
    if not whole:
        return Document(name, {"value": value})
    if not isinstance(value, dict):
        raise StudyFileError(
            [f"{name}:1: a study file is a mapping of sections (data:, space:, ...)"]
        )
    document.data = value
    return document


class _Reader:
    """Nodes -> plain data, with the lines noted on the way."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems
        self._open: set[int] = set()

    def read(self, node: yaml.Node, key: Key) -> Any:
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if id(node) in self._open:
            self._problems.add(key, "an alias leads back to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, key, "seq")
                return [self.read(child, (*key, str(i))) for i, child in enumerate(node.value)]
            return self._scalar(node, key)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        self._check_tag(node, key, "map")
        found: dict[str, Any] = {}
        for name_node, child in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self._problems.add(key, "a key must be a word, not a list or a mapping")
                continue
            name = str(name_node.value)
            path = (*key, name)
            if name in found:
                first = self._document.lines[path]
                self._document.lines[path] = name_node.start_mark.line + 1
                self._problems.add(path, f"duplicate key; the first one is in line {first}")
                self._document.lines[path] = first
                continue
            self._document.lines[path] = name_node.start_mark.line + 1
            found[name] = self.read(child, path)
        return found

    def _scalar(self, node: yaml.Node, key: Key) -> Any:
        if node.tag not in _SCALARS:
            self._problems.add(key, f"the tag {_short(node.tag)} is not allowed; give plain values")
            return None
        text = str(node.value)
        match node.tag.rpartition(":")[2]:
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
            case "int" | "float" as kind:
                return self._number(text, kind, key)
            case _:
                return text

    def _number(self, text: str, kind: str, key: Key) -> float | None:
        try:
            value = int(text) if kind == "int" and len(text.lstrip("+-")) <= DIGITS else float(text)
        except ValueError:  # .inf, .nan, or a word behind a tag: !!int many
            value = math.nan
        if math.isfinite(value) and (kind == "float" or isinstance(value, int)):
            return value
        self._problems.add(key, f"give a finite number of at most {DIGITS} digits, not {text[:30]}")
        return None

    def _check_tag(self, node: yaml.Node, key: Key, kind: str) -> None:
        if node.tag != f"tag:yaml.org,2002:{kind}":
            self._problems.add(key, f"the tag {_short(node.tag)} is not allowed; give plain values")


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
